{{ config(materialized='table', unique_key='id') }}

select i as id, 'name ' || i as name from range(7) as t(i)
