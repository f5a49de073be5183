{{ config(materialized='table', unique_key='email') }}

select email, n::bigint as n from (values ('a@x', 1), ('A@x', 2)) as t(email, n)
