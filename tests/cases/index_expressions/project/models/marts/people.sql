select * from (
    values
        (1, 'Ann', 'ann@example.org', '{"a": 1}'::json, null),
        (2, 'Ann', 'ANN@example.org', '{"a": 2}'::json, timestamp '2024-01-01'),
) as t (id, name, email, doc, deleted_at)
