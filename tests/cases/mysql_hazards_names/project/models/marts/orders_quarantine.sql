{{ config(materialized='table', unique_key='id') }}

select 1 as id, 'fits' as text union all select 2, 'orders_quarantine, too long'
