{{ config(materialized='table', unique_key='id') }}

select 1 as id, 'x' as number union all select 2, '2'
