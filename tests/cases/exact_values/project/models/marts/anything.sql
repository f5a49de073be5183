{{ config(materialized='view', unique_key='id') }}

select
    1 as id,
    {'a': [0.5::decimal(18, 18), 12345678901234567.89::decimal(38, 2)], 'b': 'a:.5', 'c': null}::variant as v,
    {'v': [1]::variant, 'n': 1} as nested,
union all
select 2, null::variant, {'v': null::variant, 'n': 2}
union all
select 3, 'text'::variant, null
