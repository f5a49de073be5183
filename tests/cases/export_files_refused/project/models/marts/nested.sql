select 1 as n, [1] as l
