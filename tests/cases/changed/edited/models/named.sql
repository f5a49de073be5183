{{ config(materialized='table') }}
select code, 1 as one from {{ ref('country_names') }}
