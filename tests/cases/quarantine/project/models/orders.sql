select o.n, l.m from {{ source('shop', 'orders') }} as o left join {{ source('shop', 'lines') }} as l on o._id = l._id
