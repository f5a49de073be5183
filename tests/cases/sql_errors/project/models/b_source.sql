{{ config(materialised='table') }}

select 'x' as full_name
