//! DuckDB's types, each with some values, for tests that make random tables. Only data.

/// DuckDB's type, and values of it as SQL. Postgres, too, distinguishes the values of the first list, which are used as
/// keys.
pub const KEY_TYPES: [(&str, [&str; 6]); 8] = [
    ("bigint", ["0", "1", "-1", "9223372036854775807", "-9223372036854775808", "42"]),
    ("varchar", ["''", "' '", "'a'", "'A'", "'ä€😀'", "'a''b\"c\\d'"]),
    (
        "uuid",
        [
            "'00000000-0000-0000-0000-000000000000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'80000000-0000-0000-0000-000000000000'",
            "'7fffffff-0000-4000-8000-000000000001'",
            "'01234567-89ab-cdef-0123-456789abcdef'",
            "'01234567-89ab-cdef-0123-456789abcdee'",
        ],
    ),
    ("date", ["'1970-01-01'", "'0001-01-01'", "'9999-12-31'", "'2024-02-29'", "'infinity'", "'-infinity'"]),
    ("decimal(20, 4)", ["0", "0.0001", "-0.0001", "9999999999999999.9999", "1", "10000"]),
    ("boolean", ["true", "false", "true", "false", "true", "false"]),
    (
        "timestamptz",
        [
            "'1970-01-01 00:00:00+00'",
            "'2024-03-31 02:30:00+01'",
            "'2024-03-31 02:30:00.000001+01'",
            "'0001-01-01 00:00:00+00'",
            "'infinity'",
            "'1899-12-31 23:59:59.999999+00'",
        ],
    ),
    ("smallint", ["0", "1", "-1", "32767", "-32768", "7"]),
];

pub const OTHER_TYPES: [(&str, [&str; 6]); 12] = [
    ("double", ["0.0", "1.5", "'NaN'", "'Infinity'", "1e-300", "0.1"]),
    ("float", ["0.0", "1.5", "'-Infinity'", "3.4e38", "1e-40", "0.1"]),
    ("blob", ["''", "'\\x00'", "'\\x00\\x01'", "'a'", "'\\xFF'", "'ab'"]),
    ("time", ["'00:00:00'", "'23:59:59.999999'", "'12:00:00'", "'12:00:00.000001'", "'01:02:03'", "'00:00:01'"]),
    ("interval", ["'1 month'", "'31 days'", "'1 day'", "'1 year 2 days 3.5 seconds'", "'-1 month'", "'0 days'"]),
    ("hugeint", ["0", "170141183460469231731687303715884105727", "-1", "1", "10000000000000000000000", "7"]),
    (
        "struct(a bigint, b varchar)",
        [
            "{'a': 1, 'b': 'x'}",
            "{'a': 1, 'b': null}",
            "{'a': null, 'b': 'x'}",
            "{'a': null, 'b': null}",
            "{'a': 2, 'b': 'x'}",
            "{'a': 1, 'b': ''}",
        ],
    ),
    ("bigint[]", ["[]", "[1]", "[null]", "[1, null]", "[1, 2]", "[2, 1]"]),
    ("varchar[]", ["[]", "['']", "[null]", "['null']", "['a,b']", "['a', 'b']"]),
    (
        "struct(x varchar[], y struct(z integer))[]",
        [
            "[]",
            "[null]",
            "[{'x': [], 'y': null}]",
            "[{'x': null, 'y': {'z': 1}}]",
            "[{'x': ['a'], 'y': {'z': null}}]",
            "[{'x': ['a', null], 'y': {'z': 1}}]",
        ],
    ),
    (
        "map(varchar, bigint)",
        ["map()", "map {'a': 1}", "map {'a': null}", "map {'b': 1}", "map {'a': 1, 'b': 2}", "map {'': 0}"],
    ),
    ("enum('on', 'off', 'x', 'y', 'z', 'w')", ["'on'", "'off'", "'x'", "'y'", "'z'", "'w'"]),
];
