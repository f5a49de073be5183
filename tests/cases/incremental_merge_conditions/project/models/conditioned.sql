{{ config(
    materialized='incremental',
    incremental_strategy='merge',
    unique_key='order_id',
    merge_update_condition='DBT_INTERNAL_SOURCE.version > DBT_INTERNAL_DEST.version',
    merge_insert_condition='DBT_INTERNAL_SOURCE.amount > 0',
) }}

select order_id, version, amount from {{ ref('orders') }}
