{{ config(materialized='table') }}

select
    cast(n as integer) as n,
from {{ ref('a') }}
