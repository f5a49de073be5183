select 21 as n
