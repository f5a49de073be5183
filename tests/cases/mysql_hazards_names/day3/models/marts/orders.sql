{{ config(materialized='table', unique_key='id') }}

select 1::bigint as id, 'orders, too long' as text union all select 5000000000, 'fits'
