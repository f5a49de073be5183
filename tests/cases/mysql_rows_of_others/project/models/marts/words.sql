{{ config(materialized='table', unique_key='word', export={'on_conflict': 'keep'}) }}

select name as word, id as n from {{ ref('people') }}
