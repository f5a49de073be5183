{{ config(materialized='table', unique_key='id') }}

select i + 1 as id, 'p' || (i + 2) as name, 'no' as upper_name from range(3) t(i)
