select 1 as n, '123456789' as t
