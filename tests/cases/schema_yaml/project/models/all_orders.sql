select _id from {{ source('shop', 'orders') }}
