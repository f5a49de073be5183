{{ config(materialized='table', unique_key='customer_id') }}

select distinct
    {{ elt.surrogate_key('customer', 'p.national_id', from=ref('people')) }} as customer_id,
    national_id,
from {{ ref('people') }} as p
