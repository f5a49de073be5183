{{ config(materialized='table') }}

select * from (
    values
        ('abcd1', 'replaced', 1.5::double),
        ('b', 'of two parts, and long', 2),
        ('cxxx1', 'replaced', 4),
        ('d', 'with credit', 5),
) as t (customer_id, name, credit)
