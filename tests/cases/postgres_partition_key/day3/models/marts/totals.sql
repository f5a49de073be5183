select order_id, total from {{ ref('raw_orders') }}
