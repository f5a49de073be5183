{{ config(materialized='table') }}

select * from (
    values (1, 'abcd1', 1), (2, 'cxxx1', 2), (3, 'd', 1), (4, 'b', 3), (6, null, 3)
) as t (order_id, customer_id, replaces_id)
