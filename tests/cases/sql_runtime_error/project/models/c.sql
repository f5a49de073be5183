{{ config(materialized='table') }}

select sum(n) as total from {{ ref('b') }}
