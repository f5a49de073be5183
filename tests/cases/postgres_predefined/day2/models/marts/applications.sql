{{ config(materialized='table', unique_key='application_id') }}

select i as application_id, i % 3 + 1 as kind_id, 'of kind ' || (i % 3 + 1) as title from range(3, 9) t(i)
