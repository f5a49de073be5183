{{ config(materialized='table') }}

select * from (
    values
        ('1', 'twelve', 1.25::decimal(9, 4), timestamp '2024-01-01 00:00:00', 'its age has become odd'),
        ('2', '12', 1.2345, timestamp '2024-01-02', 'its price is odd'),
        ('3.4', '6', 1, timestamp '2024-01-03', 'its key stays unique'),
) as t (id, age, price, day, note)
