{{ config(materialized='incremental', incremental_strategy='append') }}

select order_id, amount from {{ ref('orders') }}
union all
select order_id, 0 from {{ ref('orders') }}
