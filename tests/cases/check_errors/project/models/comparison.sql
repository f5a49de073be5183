select _id from {{ source('shop', 'customers') }} where phones = score
