select unnest([10, 11]) as customer_id
