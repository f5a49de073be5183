select _id as customer_id, name, address, score from {{ source('shop', 'customers') }} where rank > 0
