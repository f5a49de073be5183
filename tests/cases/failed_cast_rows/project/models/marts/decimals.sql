{{ config(materialized='table') }}
select _id, cast(a as decimal(9,2)) as d from {{ source('s','c') }}
