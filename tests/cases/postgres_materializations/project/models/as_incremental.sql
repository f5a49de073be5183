{{ config(materialized='incremental', unique_key='person_id') }}
select person_id, name from {{ ref('people') }}
