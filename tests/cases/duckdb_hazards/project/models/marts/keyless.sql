{{ config(materialized='table') }}

select 'x' as number union all select '2'
