{{ config(materialized='table', unique_key='application_id') }}

select i as application_id, i % 2 + 1 as kind_id, 'of kind ' || (i % 2 + 1) as title from range(1, 5) t(i)
