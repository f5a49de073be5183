{{ config(materialized='table') }}

select i as id, i % 3 as parent_id, 'c' || i as tag from range(5) t(i)
