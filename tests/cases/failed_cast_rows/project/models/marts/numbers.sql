{{ config(materialized='table') }}
with c as (select * from {{ source('s','c') }})
select _id, a::int as a from c where _id is not null
