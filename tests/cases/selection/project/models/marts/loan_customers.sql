select * from {{ ref('stg_loans') }} join {{ ref('stg_customers') }} using (customer_id)
