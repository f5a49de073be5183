{{ config(materialized='table', unique_key='id', export={'rows': 'all'}) }}

select id, name from {{ ref('people') }}
