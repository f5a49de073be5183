{% set columns = ['customer_id', 'nmae'] %}

select
    customer_id,
    nmae,
from {{ ref('a') }}
