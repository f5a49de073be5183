{{ config(materialized='incremental', unique_key='order_id', deletes='sweep') }}

select order_id, amount from {{ ref('orders') }}
{% if is_incremental() %}
where order_id >= 3
{% endif %}
