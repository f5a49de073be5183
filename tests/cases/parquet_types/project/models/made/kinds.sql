{{ config(
    post_hook="copy (
        select
            1 as id,
            interval '14 months' + interval '2 days 3 hours 1 millisecond' as span,
            {'at': interval '1 month', 'tags': map {'x': interval '1 day'}} as nested,
            [interval '1 month', null] as spans,
        union all
        select 2, null, null, []
    ) to 'seeds/shop/spans.parquet' (format parquet)"
) }}
select
    1 as id,
    map {'a, b: c': 'x', 'k': null, '': ''} as labels,
    timestamp_ns '2024-06-01 10:00:00.123456789' as fine,
    timestamptz '2024-06-01 10:00:00.123456+02' as at_utc,
    timestamp 'infinity' as never_ends,
    date '2024-06-01' as day,
    time '10:00:00.5' as clock,
    '550e8400-e29b-41d4-a716-446655440000'::uuid as ref,
    '{"a": 1.10}'::json as doc,
    'ab\x00'::blob as bytes,
    1.1::float as short,
    12.50::decimal(12, 2) as amount,
    18446744073709551615::ubigint as big,
    'b'::enum('a', 'b') as grade,
    {'day': date '2024-06-01', 'tags': map {'x': [1, null]}} as nested,
    [map {1: {'at': timestamp_ns '2024-06-01 10:00:00.000000001'}}] as maps,
union all
select
    2, map {}, null, null, null, null, null, null, null, null, null, null, null, null, null, []
union all
select
    3, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null
