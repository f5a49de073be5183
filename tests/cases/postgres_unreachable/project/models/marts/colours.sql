select 1 as colour_id, 'red' as name
