select o._id from {{ source('shop', 'orders') }} as o cross join {{ source('shop', 'customers') }}
