{{ config(materialized='table', unique_key=['town', 'street']) }}

select * from (values ('a', 'x', 1), ('b', 'x', 2)) as t (street, town, number)
