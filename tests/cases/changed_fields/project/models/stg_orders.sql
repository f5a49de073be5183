select _id as order_id, total, ship, note from {{ source('shop', 'orders') }} where placed_at is not null
