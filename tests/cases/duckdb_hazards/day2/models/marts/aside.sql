{{ config(materialized='table', unique_key='id') }}

select 1 as id, '1' as number union all select 2, 'y'
