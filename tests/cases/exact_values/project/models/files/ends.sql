select
    1 as id,
    'infinity'::timestamp_s as s,
    '-infinity'::timestamp_ms as ms,
    'infinity'::timestamp_ns as ns,
    {'l': ['infinity'::timestamp_s], 'f': [1, null]::integer[2]} as nested,
union all
select 2, '2024-01-01'::timestamp_s, '2024-01-01 00:00:00.001'::timestamp_ms, '2024-01-01 00:00:00.000000001'::timestamp_ns, null
