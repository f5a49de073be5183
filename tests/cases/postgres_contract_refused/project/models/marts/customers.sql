{{ config(materialized='table') }}

select i as id from range(1) t(i)
