{{ config(materialized='table') }}

select * from (values (10, 1), (20, 2), (21, 2), (30, 3), (40, 4)) as t (line_id, order_id)
