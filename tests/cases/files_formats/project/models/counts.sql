select 'binary' as source, count(*) as n, sum(n) as total from {{ source('shop', 'binary') }}
union all select 'lines' as source, count(*) as n, sum(n) as total from {{ source('shop', 'lines') }}
union all select 'array' as source, count(*) as n, sum(n) as total from {{ source('shop', 'array') }}
union all select 'table' as source, count(*) as n, sum(n) as total from {{ source('shop', 'table') }}
