{{ config(materialized='table') }}
select _id::uuid as id, a from {{ source('s','c') }}
