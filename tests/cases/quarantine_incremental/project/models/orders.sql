select _id, name from {{ source('shop', 'orders') }}
