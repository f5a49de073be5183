with spread as (
    pivot (select name, rank, score from {{ source('shop', 'customers') }}) on rank in (1, 2) using sum(score) group by name
)

select name, field, value
from spread unpivot (value for field in ("1", "2"))
