{{ config(materialized='table', unique_key='id') }}

select id::bigint as id, email, pos::integer as pos from (values (1, 'b', 2), (2, 'c', 3), (3, 'a', 4), (4, 'd', 5)) as t(id, email, pos)
