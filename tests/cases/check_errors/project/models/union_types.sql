select phones as x from {{ source('shop', 'customers') }}
union all
select score from {{ source('shop', 'customers') }}
