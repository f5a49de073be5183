{{ config(materialized='table', unique_key='_id') }} select _id, n, seen from {{ source('s', 'order') }}
