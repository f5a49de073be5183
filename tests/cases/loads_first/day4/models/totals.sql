{{ config(materialized='table', unique_key='_id') }} select _id, totl from {{ ref('orders') }}
