{{ config(materialized='ephemeral') }} select * from {{ ref('missing') }}
