select 1 as amount, 2 as number
