{{ config(materialized='table', unique_key='email') }}

select email, n::bigint as n from (values ('a@x', 1), ('b@x', 2)) as t(email, n)
