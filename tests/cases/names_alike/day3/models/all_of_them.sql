{{ config(materialized='table') }}
select 's.Order' as source, n from {{ source('s', 'Order') }}
