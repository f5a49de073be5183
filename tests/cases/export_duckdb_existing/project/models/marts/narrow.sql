select 1 as n, 'a' as t, 5 as k union all select 2, 'b', 6
