{{ config(materialized='table', unique_key='id') }}

select i as id, 'q' || i as name from range(3) t(i)
