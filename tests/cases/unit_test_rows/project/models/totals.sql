select e.customer_id, k.name, total * {{ var('rate') }} as total, {{ now_at() }} as made_at
from {{ ref('eph') }} as e left join {{ ref('kinds') }} as k on k.id = e.customer_id
