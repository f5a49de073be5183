{{ config(materialized='table') }}

select colour_id, name from {{ ref('palette') }}
