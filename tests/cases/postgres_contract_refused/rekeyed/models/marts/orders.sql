{{ config(materialized='table') }}

select i as id, i % 2 as customer_id, (i * 10)::integer as amount, i + 100 as number from range(4) t(i)
