select id, n from {{ source('shop', 'orders') }}
