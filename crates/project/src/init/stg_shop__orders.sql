with source as (

    select * from {{ source('shop', 'orders') }}

)

select
    order_id,
    customer.name as customer_name,
    customer.city as customer_city,
    status,
    items,
    ordered_at,
from source
