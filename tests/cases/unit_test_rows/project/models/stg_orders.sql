select order_id, customer_id, amount, placed_at, lines, extra from {{ source('shop', 'orders') }}
