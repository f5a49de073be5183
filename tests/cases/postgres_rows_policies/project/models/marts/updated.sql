{{ config(materialized='table', unique_key='id', export={'rows': 'own'}) }}

select id, name from {{ ref('people') }}
