{{ config(materialized='incremental', unique_key='day', on_schema_change='append_new_columns') }}
select cast(sold_at as date) as day, count(*) as sales, sum(amount) as amount
from {{ ref('stg_sales') }}
{% if is_incremental() %} where sold_at >= (select max(day) from {{ this }}) {% endif %}
group by 1
