select 1 as id, 'x' as name, current_date as day, [{'a': 1}] as deep, 2 as more
