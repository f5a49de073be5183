select id as client_id, name as client_name, cast(joined as date) as joined_on
from {{ source('till', 'clients') }}
