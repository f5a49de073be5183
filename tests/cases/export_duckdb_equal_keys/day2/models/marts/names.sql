{{ config(materialized='table', unique_key='name') }}

select name, n::bigint as n, title from (values ('ada', 1, 'x'), ('bob', 2, 'y'), ('ADA', 3, 'z')) as t(name, n, title)
