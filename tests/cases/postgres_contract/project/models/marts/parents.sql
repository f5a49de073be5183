{{ config(materialized='table') }}

select i as id, 'n' || i as name, i * 1.5 as amount, 'x' as old from range(3) t(i)
