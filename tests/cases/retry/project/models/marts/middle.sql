{{ config(materialized='table') }}
select id, {{ var('limit', 9) }} as l from {{ ref('ids') }}
