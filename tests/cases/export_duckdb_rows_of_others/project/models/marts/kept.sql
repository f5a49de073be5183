{{ config(materialized='table', unique_key='id', export={'on_conflict': 'keep'}) }}

select id, name from {{ ref('people') }}
