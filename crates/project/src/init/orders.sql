with orders as (

    select * from {{ ref('stg_shop__orders') }}

)

select
    order_id,
    customer_name,
    customer_city,
    status,
    len(items) as item_count,
    coalesce(list_sum([item.quantity * item.price for item in items]), 0)::decimal(18, 2) as amount,
    ordered_at,
from orders
