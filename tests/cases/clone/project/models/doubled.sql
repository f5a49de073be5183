{{ config(materialized='table', schema='deep') }}
select id * 2 as id from {{ ref('as_view') }}
