{{ config(materialized='table', unique_key='_id') }} select _id, total from {{ ref('orders') }}
