{{ config(materialized='table') }}
select 's.Order' as source, n from {{ source('s', 'Order') }}
union all select 's.order', n from {{ source('s', 'order') }}
union all select 's.prêts', n from {{ source('s', 'prêts') }}
union all select 's.PRÊTS', n from {{ source('s', 'PRÊTS') }}
union all select 'S.order', n from {{ source('S', 'order') }}
