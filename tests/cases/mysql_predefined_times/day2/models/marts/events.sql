{{ config(materialized='table', unique_key='id') }}

select
    1 as id,
    timestamp '2024-05-01 12:00:00' as created_at,
    timestamptz '2024-05-01 12:00:00+02' as seen_at,
    time '08:30:00' as opens,
    timestamp '2024-05-01 12:00:00.125' as fine,
union all
select 2, timestamp '2024-05-01 12:00:00.7', null, time '08:30:00.5', timestamp '2024-05-01 12:00:00.1255'
