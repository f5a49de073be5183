{{ config(materialized='table', unique_key='id') }}

select 1::bigint as id, 'fits' as text union all select 2, 'orders, too long'
