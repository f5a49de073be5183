select
    {{ elt.surrogate_key('customer', 'code') }} as customer_id
from (values ('C1')) as t(code)
