{{ config(materialized='table') }}
select count(*) as rows from {{ ref('as_table') }}
