{{ config(materialized='table', unique_key='code') }}

select code, n::bigint as n from (values ('ab', 1), ('b', 2)) as t(code, n)
