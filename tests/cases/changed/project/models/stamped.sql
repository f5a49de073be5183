{{ config(materialized='table') }}
select count(*) as orders, now() as counted_at from {{ ref('orders') }}
