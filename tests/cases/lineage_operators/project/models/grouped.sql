select
    address.city,
    count(*) as customers,
    count(*) filter (where score > 5) as good,
    sum(score) filter (where rank > 1) as total,
    max_by(address, rank).zip as top_zip,
    list(name order by rank) as names,
    count(distinct phones) as numbers,
from {{ source('shop', 'customers') }}
where tags is not null
group by rollup (address.city)
having min(rank) > 0
