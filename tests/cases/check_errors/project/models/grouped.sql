select name, count(*) as customers from {{ source('shop', 'customers') }} group by score
