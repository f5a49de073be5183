{{ config(materialized='table') }}

select * from (values (10, 1), (20, 2), (21, 2), (30, 3)) as t (order_id, customer_id)
