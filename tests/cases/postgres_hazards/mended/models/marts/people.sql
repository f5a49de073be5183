{{ config(materialized='table', unique_key='id') }}

select
    i as id,
    'name ' || i as name,
    (i * 1000000000)::bigint as small,
    (i / 3)::decimal(18, 6) as amount,
    if(i = 2, 'furious', 'happy') as mood,
    case i when 5 then date '2024-01-01' - 2500000 when 6 then 'infinity'::date else date '2024-01-01' end as born,
    if(i = 3, '{"a": "x\u0000"}', '{"a": 1}')::json as doc
from range(10) t(i)
