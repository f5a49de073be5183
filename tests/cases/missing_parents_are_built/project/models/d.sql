select 4 as n
