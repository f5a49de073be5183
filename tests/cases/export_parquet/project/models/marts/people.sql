select
    person_id,
    name,
    city,
    score::double as score,
    {'id': person_id, 'names': [name, null]} as nested,
    map {'k': person_id} as by_key,
    timestamptz '2024-05-01 12:00:00.25+02' as seen_at,
    timestamp '2024-05-01 12:00:00' as local_at,
    interval '1 day 0.123456 seconds' as lasts,
    '10:00:00+02'::timetz as opens,
    sum(person_id) over () as total,
    12345678901234567890123456789::hugeint as large,
    union_value(number := 1) as either,
    '\xAA'::blob as bytes,
    '{"j": [1]}'::json as json,
    42::variant as anything,
    1.10::decimal(38, 2) as amount
from {{ ref('people_seed') }}
