select name as word, 1 as kind from {{ source('shop', 'customers') }}
union all by name
select address.city as word, score as kind from {{ source('shop', 'customers') }}
except
select 'x', rank from {{ source('shop', 'customers') }}
