{{ config(materialized='table') }}

select name from {{ ref('people') }}
