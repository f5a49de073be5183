select
    id as code,
    date '2024-06-01' + id::integer as day,
    timestamp '2024-06-01' + interval (id) hours as changed_at,
    timestamptz '2024-06-01 00:00:00+00' + interval (id) hours as changed_at_utc,
    'v1' as version,
from range(1, 4) as r (id)
