{{ config(materialized='table') }}
select c.customer_id, c.name, c.address.city as city, s.double_score
from {{ ref('stg_customers') }} as c
join {{ ref('scored') }} as s using (customer_id)
