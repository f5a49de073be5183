with customers as (
    select * from {{ source('shop', 'customers') }}
)

select customers.address.geo.lta as latitude
from customers
