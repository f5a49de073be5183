select _id from {{ source('s', 'orders') }}
