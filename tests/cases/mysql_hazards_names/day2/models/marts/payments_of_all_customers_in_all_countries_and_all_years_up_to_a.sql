{{ config(materialized='table', unique_key='id') }}

select 1 as id, 'a' as text union all select 2, 'fits'
