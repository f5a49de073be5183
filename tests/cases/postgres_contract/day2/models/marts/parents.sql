{{ config(materialized='table') }}

select i as id, 'n' || i as name, (i * 3)::decimal(20, 0) as amount, i + 1 as city from range(3) t(i)
