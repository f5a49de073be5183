{{ config(materialized='table') }}

select * from (
    values
        ('a' || chr(0), 'replaced, for its key stays unique', 1.5::double),
        ('b', 'of two' || chr(0) || ' parts', 2),
        ('c', 'whole', 3),
        ('c' || chr(0), 'quarantined, for `c` is there', 4),
        ('d', 'quarantined, for its credit cannot be NULL', 'nan'),
) as t (customer_id, name, credit)
