{{ config(materialized='table', unique_key='application_id') }}

select i as application_id, i % 2 + 2 as kind_id, 'of kind ' || (i % 2 + 2) as title from range(3, 9) t(i)
