select list_transform(phones, lambda phone: phone.nmber) as numbers
from {{ source('shop', 'customers') }}
