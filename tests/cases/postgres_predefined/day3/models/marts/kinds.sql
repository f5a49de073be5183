{{ config(materialized='table', unique_key='kind_id') }}

select
    i as kind_id,
    i * 10 as zone_id,
    ['happy', null, 'so so'] as moods,
    [{'a': i, 'b': ['x, "y"', null]}, null] as docs,
    ['{"n": 12345678901234567.89}'::json] as tags,
from range(2, 4) t(i)
