{{ config(materialized='table') }}
select
    n,
    json_object('n', 100 + n) as t,
    {'n': 200 + n} as s,
    {'n': 300 + n} as old,
    n * {{ var('day', 1) }} as new,
    {'n': null} as elt_old,
from range({{ var('day', 1) }}, 5) as numbers(n)
