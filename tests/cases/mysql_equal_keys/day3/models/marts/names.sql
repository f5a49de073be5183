{{ config(materialized='table', unique_key='name') }}

select name, n::bigint as n from (values ('ADA', 3), ('bob', 2)) as t(name, n)
