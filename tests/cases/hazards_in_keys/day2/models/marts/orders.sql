{{ config(materialized='table') }}

select * from (
    values (1, 'a' || chr(0)), (2, 'c' || chr(0)), (3, 'd'), (4, 'b'), (6, null)
) as t (order_id, customer_id)
