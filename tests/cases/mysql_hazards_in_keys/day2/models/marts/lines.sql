{{ config(materialized='table') }}

select * from (values (1, 10), (2, 20), (2, 21), (3, 30), (4, 40)) as t (order_id, price)
