select _id, name from {{ source('shop', 'customers') }}
union all
select _id from {{ source('shop', 'customers') }}
