{{ config(materialized='table', unique_key='_id') }} select * exclude (_elt_rescued, _elt_load_id, _elt_loaded_at) from {{ source('s', 'orders') }}
