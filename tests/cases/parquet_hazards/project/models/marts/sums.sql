{{ config(materialized='table') }}

select * from (
    values
        (1::hugeint, 1::hugeint, {'a': 1::hugeint}),
        (2, 170141183460469231731687303715884105727, {'a': 170141183460469231731687303715884105727}),
        (170141183460469231731687303715884105727, 3, {'a': 3}),
) as t (id, total, parts)
