{{ config(materialized='table', unique_key='name') }}

select name, n::bigint as n, title from (values ('ADA', 3, 'z'), ('bob', 2, 'Y')) as t(name, n, title)
