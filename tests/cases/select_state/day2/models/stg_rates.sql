select id, rate from {{ ref('rates') }}
