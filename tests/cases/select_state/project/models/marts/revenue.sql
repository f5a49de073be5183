{{ config(materialized='table', tags=['nightly'], group='finance') }}
select id, {{ twice('rate') }} as rate from {{ ref('stg_rates') }}
