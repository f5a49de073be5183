{{ config(materialized='table', unique_key='at') }}

select moment::timestamp as at, note from (
    values
        ('2024-01-01 00:00:00.000100', 'published'),
        ('2024-01-02 00:00:00.000000', 'whole'),
        ('2024-01-02 00:00:00.000200', 'quarantined'),
        ('infinity', 'quarantined, because a key is no null'),
) as t (moment, note)
