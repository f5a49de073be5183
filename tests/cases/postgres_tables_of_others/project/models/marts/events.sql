{{ config(materialized='table') }}

select i as id, date '2024-01-01' + (i * 200)::int as day, 'e' || i as name from range({{ var('events', 3) }}) t(i)
