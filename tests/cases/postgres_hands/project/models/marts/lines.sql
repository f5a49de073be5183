{{ config(materialized='table') }}

select 'name ' || i as name from range(7) as t(i)
