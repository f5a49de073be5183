with named as (
    select * from {{ ref('b_source') }}
)

select
    named.full_nmae
from named
