{{ config(materialized='table', unique_key='order_id') }}

select order_id, customer_id, amount::decimal(10, 2) as amount, comment from {{ ref('raw_orders') }}
