{{ config(materialized='table') }}

select * from (
    values
        (1, null, 'nan'::double, '[NaN, 1]'::json),
        (2, 1, 5, '[{"x": 1}]'),
        (3, 2, 6, '{"a": [1, Infinity]}'),
        (4, null, 7, '{"a": "NaN", "b": -Infinity, "c": 1e200000}'),
) as t (employee_id, boss_id, salary, notes)
