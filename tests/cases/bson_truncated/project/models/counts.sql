select 'packed' as source, count(*) as n from {{ source('shop', 'packed') }}
union all by name
select 'lines' as source, count(*) as n from {{ source('shop', 'lines') }}
union all by name
select 'array' as source, count(*) as n from {{ source('shop', 'array') }}
union all by name
select 'zipped' as source, count(*) as n from {{ source('shop', 'zipped') }}
union all by name
select 'swept' as source, count(*) as n from {{ source('shop', 'swept') }}
union all by name
select 'taken' as source, count(*) as n from {{ source('shop', 'taken') }}
