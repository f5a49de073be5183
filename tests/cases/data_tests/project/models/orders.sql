select * from (values (1, 'new', 10), (1, 'old', 11), (3, null, 99)) as t (order_id, status, customer_id)
