select _id as customer_id, name, score as city from {{ source('shop', 'customers') }}
