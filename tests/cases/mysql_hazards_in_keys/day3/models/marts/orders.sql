{{ config(materialized='table') }}

select * from (
    values (2, 'cxxx', 2), (3, 'd', 2), (4, 'b', 3), (6, null, 3)
) as t (order_id, customer_id, replaces_id)
