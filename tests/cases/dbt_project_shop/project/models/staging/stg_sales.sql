select id as sale_id, client_id, sold_at, {{ cents_to_units('cents') }} as amount, state
from {{ source('till', 'sales') }}
where sold_at >= '{{ var("first_day") }}'
