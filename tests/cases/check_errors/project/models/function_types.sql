select
    upper(score) as score,
    date_trunc('month', score) as month
from {{ source('shop', 'customers') }}
