{{ config(materialized='table') }}

select * from (
    values
        ('abcd1', 'replaced', 1.5::double),
        ('b', 'of two parts, and long', 2),
        ('cxxx', 'whole', 3),
        ('cxxx1', 'quarantined', 4),
        ('d', 'no credit', 'nan'),
) as t (customer_id, name, credit)
