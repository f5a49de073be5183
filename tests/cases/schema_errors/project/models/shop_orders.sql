select n from {{ source('shop', 'orders') }}
