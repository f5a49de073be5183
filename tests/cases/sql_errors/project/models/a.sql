{{ config(materialized='table') }}

{# a comment
   of two lines #}
select
    1 as customer_id,
    'x' as name,
