{{ config(materialized='table', unique_key='account_no') }}
select
    {{ elt.surrogate_key('customer', 'code') }} as customer_id,
    {{ elt.surrogate_key('branch', 'branch', type='uuid') }} as branch_id,
    account_no,
from (values (1, 'C3', 'B1'), (2, 'C1', 'B1'), (3, 'C2', 'B2')) as t(account_no, code, branch)
