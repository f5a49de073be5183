{{ config(materialized='incremental', unique_key='order_no') }}

-- depends_on: {{ ref('customers') }}
select
    {{ elt.surrogate_key('customer', 'national_id') }} as customer_id,
    {{ elt.surrogate_key('order', ['national_id', 'order_no'], from=ref('people'), type='uuid') }} is not null as has_id,
    order_no,
from {{ ref('people') }}
