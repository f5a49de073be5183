{{ config(materialized='table', unique_key='id') }}

select i as id, 'p' || i as name from range(3) t(i)
