{{ config(materialized='table', unique_key='id') }}

select id::bigint as id, email, pos::integer as pos from (values (1, 'c', 1), (2, 'b', 2), (3, 'z', 3), (5, 'd', 4), (6, 'a', 5), (7, 'b', 6)) as t(id, email, pos)
