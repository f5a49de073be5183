select distinct on (address.city) name, score
from (select * from {{ source('shop', 'customers') }} order by rank limit 10)
order by score
