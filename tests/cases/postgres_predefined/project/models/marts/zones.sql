{{ config(materialized='table', unique_key='zone_id') }}

select i * 10 as zone_id, 'zone ' || i as name from range(1, 3) t(i)
