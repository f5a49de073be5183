{{ config(materialized='table') }}
select code from {{ ref('country_names') }}
