{{ config(materialized='table', unique_key='id') }}

select
    1 as id,
    0.5::decimal(18, 18) as small,
    [0.5, -0.25, null]::decimal(18, 18)[] as smalls,
    {
        'amount': 12345678901234567.89::decimal(38, 2),
        'rate': 0.5::double,
        'small': -0.5::decimal(38, 38),
        'huge': 18446744073709551617::hugeint,
    } as line,
    [
        {'amount': 12345678901234567.89::decimal(38, 2), 'rate': -0.0::double, 'doc': '{"n": 12345678901234567.89}'::json},
        null,
    ] as lines,
    map {'00000000-0000-0000-0000-000000000001'::uuid: 0.5::decimal(18, 18)} as by_id,
    '{"z": 12345678901234567.89, "k": 0.10, "a": [123456789012345678901234567890, 1e400], "l":
        "line\nbreak"}'::json as doc,
    union_value(small := 0.5::decimal(18, 18)) as either,
    {
        'u': '00000000-0000-0000-0000-00000000000a'::uuid,
        'j': '{"a": 1}'::json,
        'b': '101'::bit,
        't': '12:30:00+02'::timetz,
        'at': '2024-01-01 00:00:00.123'::timestamp_ns,
        'e': 'x'::enum ('x', 'y'),
    } as kinds,
    [1, 2, 3]::integer[3] as three,
    []::varchar[] as none,
    '2024-01-01 00:00:00'::timestamp_s as at,
union all
select 2, null, null, null, null, null, null, null, null, null, null, null
union all
select
    3,
    -0.000000000000000001::decimal(18, 18),
    [],
    {'amount': null, 'rate': null, 'small': 0, 'huge': null},
    [],
    map {},
    'null'::json,
    null,
    {'u': null, 'j': 'null'::json, 'b': null, 't': null, 'at': null, 'e': null},
    [4, null, 6],
    [null],
    '1970-01-01'::timestamp_s
