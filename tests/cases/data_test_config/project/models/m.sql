select 1 as id, 1 as k, 'a' as "Odd Name", null as n union all select 1, 2, 'b', null union all select 2, 3, null, 'x'
