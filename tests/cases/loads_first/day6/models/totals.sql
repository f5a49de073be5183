select _id, total from {{ ref('customers') }} join {{ ref('orders') }} using (_id)
