with recursive chain as (
    select _id, referrer_id, name as root from {{ source('shop', 'customers') }} where referrer_id is null
    union all
    select c._id, c.referrer_id, chain.root
    from {{ source('shop', 'customers') }} as c join chain on c.referrer_id::varchar = chain._id
),

kept as materialized (select * from chain)

select
    kept.root,
    r.name as referrer,
    (select max(score) from {{ source('shop', 'customers') }} as o where o.rank < r.rank) as best_before,
    exists (select 1 from {{ source('shop', 'customers') }} as o where o.name = r.name and o.score > 3) as is_double,
    kept._id in (select referrer_id::varchar from {{ source('shop', 'customers') }}) as has_referred,
    l.length,
from kept
left join {{ source('shop', 'customers') }} as r on r._id = kept.referrer_id::varchar
left join lateral (select length(r.address.zip) as length) as l on true
