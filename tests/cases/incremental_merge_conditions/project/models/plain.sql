{{ config(materialized='incremental', incremental_strategy='default', unique_key='order_id') }}

select order_id, version, amount from {{ ref('orders') }}
