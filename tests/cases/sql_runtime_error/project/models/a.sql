{{ config(materialized='table') }}

select unnest(['1', '2', 'three']) as n
