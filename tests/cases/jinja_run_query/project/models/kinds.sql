{{ config(materialized='table') }}
select * from (values (1, 'a', 2.5), (2, 'b', 1.5), (3, 'a', 4.0)) as t (id, kind, amount)
