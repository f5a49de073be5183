select 1 as n, 2 as k
