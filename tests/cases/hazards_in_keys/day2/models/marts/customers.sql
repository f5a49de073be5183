{{ config(materialized='table') }}

select * from (
    values
        ('a' || chr(0), 'replaced, for its key stays unique', 1.5::double),
        ('b', 'of two' || chr(0) || ' parts', 2),
        ('c' || chr(0), 'quarantined, for `c` is there', 4),
        ('d', 'quarantined, for its credit cannot be NULL', 5),
) as t (customer_id, name, credit)
