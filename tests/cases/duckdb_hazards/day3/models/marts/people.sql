{{ config(materialized='table') }}

select * from (
    values
        ('1', '12', 1.25::decimal(9, 4), timestamp '2024-01-01 00:00:00', 'fits'),
        ('2', '12', 1.23, timestamp '2024-01-02', 'fits'),
) as t (id, age, price, day, note)
