{{ config(materialized='table', unique_key='id') }}

select id::bigint as id, title from (values (1, 'DAY'), (2, 'Night')) as t(id, title)
