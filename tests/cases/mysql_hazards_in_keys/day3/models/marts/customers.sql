{{ config(materialized='table') }}

select * from (
    values
        ('b', 'of two parts', 2.0::double),
        ('cxxx', 'mended', 4),
        ('d', 'with credit', 5),
) as t (customer_id, name, credit)
