{{ config(materialized='table') }}

select i as id, i % 2 as customer_id, (i * 10)::integer as amount from range(4) t(i)
