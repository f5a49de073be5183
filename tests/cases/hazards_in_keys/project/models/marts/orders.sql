{{ config(materialized='table') }}

select * from (
    values (1, 'a' || chr(0)), (2, 'c' || chr(0)), (3, 'd'), (4, 'b'), (5, 'c'), (6, null)
) as t (order_id, customer_id)
