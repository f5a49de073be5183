{{ config(materialized='table', unique_key='id') }}

select id, name from {{ ref('people') }}
