{{ config(materialized='table') }}
select _id as customer_id, name, {{ var('rate', 1) }} as rate from {{ ref('stg_customers') }}
