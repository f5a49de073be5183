{{ config(materialized='table') }}
select count(*) as rows from {{ ref('other') }} cross join {{ ref('ids') }}
