{{ config(materialized='table', unique_key='_id') }} select _id, name from {{ source('s', 'customers') }}
