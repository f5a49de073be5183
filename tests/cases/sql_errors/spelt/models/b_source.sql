{{ config(materialized='table') }}

select 'x' as full_name
