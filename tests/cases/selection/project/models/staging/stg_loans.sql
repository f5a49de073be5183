select 1 as loan_id, 2 as customer_id
