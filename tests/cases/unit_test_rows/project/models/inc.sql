{{ config(materialized='incremental', unique_key='order_id') }}
select order_id, placed_at, len(lines) as n, '{{ env_var('WHO', 'x') }}' as who from {{ ref('stg_orders') }}
{% if is_incremental() %} where placed_at > (select max(placed_at) from {{ this }}) {% endif %}
