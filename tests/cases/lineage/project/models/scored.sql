{{ config(materialized='ephemeral') }}
select customer_id, score * 2 as double_score from {{ ref('stg_customers') }}
