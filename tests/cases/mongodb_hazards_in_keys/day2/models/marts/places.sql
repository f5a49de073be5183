{{ config(materialized='table', unique_key=['town', 'street']) }}

select * from (values ('a', 'x', 1)) as t (street, town, number)
