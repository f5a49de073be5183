{{ config(materialized='table', unique_key='at') }}

select moment::timestamp as at, note from (
    values ('2024-01-01 00:00:00.000100', 'published'), ('2024-01-02 00:00:00.000200', 'published'),
) as t (moment, note)
