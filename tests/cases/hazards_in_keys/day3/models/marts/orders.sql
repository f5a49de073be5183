{{ config(materialized='table') }}

select * from (
    values (1, 'a'), (2, 'c'), (3, 'd'), (4, 'b'), (6, null)
) as t (order_id, customer_id)
