{{ config(materialized='table') }}

select * from (
    values
        ('1', '12', 1.25::decimal(9, 4), timestamp '2024-01-01 00:00:00', 'fits'),
        ('2', 'twelve', 1.2345, timestamp '2024-01-02 10:00:00', 'three are odd'),
        ('two', '5', 1, timestamp '2024-01-03', 'its key is no number'),
        ('3', '5', 1, timestamp '2024-01-03', 'fits'),
        ('3.4', '6', 1, timestamp '2024-01-03', 'its key meets another'),
        ('4.4', '6', 1, timestamp '2024-01-03', 'its key stays unique'),
) as t (id, age, price, day, note)
union all select '6', 'six', 1, null, 'its age cannot be NULL'
