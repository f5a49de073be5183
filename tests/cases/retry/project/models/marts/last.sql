{{ config(materialized='table') }}
select count(*) as n, max(l) as l from {{ ref('middle') }}
