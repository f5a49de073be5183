{{ config(materialized='table', unique_key='customer_id') }}
select {{ elt.surrogate_key('customer', 'code', from=ref('people')) }} as customer_id, code from {{ ref('people') }}
