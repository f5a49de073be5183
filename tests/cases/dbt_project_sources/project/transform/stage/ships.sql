select s.*, count(c.at) as calls, {{ var('since') }} as since
from {{ source('files', 'ships') }} s left join {{ source('files', 'calls') }} c using (ship_id) group by all
