{{ config(materialized='table') }}
select name, id from {{ ref('raw_customers') }}
