select 1 as a, timestamptz '2024-01-01 00:00:00+00' as since
