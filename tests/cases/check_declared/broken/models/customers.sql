select _id as customer_id, name, upper(address) as city from {{ source('shop', 'customers') }}
