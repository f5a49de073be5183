select {{ elt.surrogate_key('custmer', 'code') }} as customer_id, 1 as branch_id, 1 as account_no from {{ ref('people') }}
