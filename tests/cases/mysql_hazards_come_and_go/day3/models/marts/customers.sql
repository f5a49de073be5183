{{ config(materialized='table') }}

select * from (values (1, 1.5::double), (2, 2.5), (3, 3)) as t (customer_id, credit)
