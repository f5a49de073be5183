select _id as customer_id, name, address.city as city from {{ source('shop', 'customers') }}
