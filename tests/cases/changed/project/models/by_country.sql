{{ config(materialized='table') }}
select country, sum(total) as total from {{ ref('orders') }} group by country
