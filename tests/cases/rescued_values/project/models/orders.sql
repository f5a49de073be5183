select
    id,
    amount,
    address.city as city,
    _elt_rescued ->> '$.amount' as amount_rescued,
    _elt_rescued is null as fits,
from {{ source('shop', 'orders') }}
