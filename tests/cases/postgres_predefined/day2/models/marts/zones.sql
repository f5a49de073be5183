{{ config(materialized='table', unique_key='zone_id') }}

select i * 10 as zone_id, 'district ' || i as name from range(1, 4) t(i)
