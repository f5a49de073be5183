select
    spans.id,
    spans.span,
    spans.spans,
    kinds.labels,
    kinds.nested,
    kinds.maps,
from {{ source('shop', 'spans') }} as spans
join {{ source('shop', 'kinds') }} as kinds using (id)
