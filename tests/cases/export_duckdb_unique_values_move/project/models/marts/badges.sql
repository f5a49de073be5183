{{ config(materialized='table', unique_key='id') }}

select id::bigint as id, email, pos::integer as pos from (values (1, 'a', 1), (2, 'b', 2), (3, 'c', 3), (4, 'd', 4)) as t(id, email, pos)
