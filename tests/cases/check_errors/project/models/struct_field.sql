select
    _id,
    address.ctiy as city,
from {{ source('shop', 'customers') }}
