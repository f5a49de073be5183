{{ config(store_failures=true, limit=5) }} select * from {{ ref('free') }} where price <= 0
