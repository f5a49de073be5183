{{ config(materialized='table', unique_key='id') }}

select id, name from (values (1::bigint, 'ada'), (2, 'bob')) as t(id, name)
