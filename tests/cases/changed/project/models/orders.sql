{{ config(materialized='incremental', unique_key='order_id') }}
select _id as order_id, country, total from {{ source('shop', 'orders') }}
