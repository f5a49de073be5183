{{ config(materialized='table', unique_key='customer_id', export={'on_conflict': 'update'}) }}

select customer_id, sum(amount)::decimal(12, 2) as total from {{ ref('orders') }} group by all
