{{ config(materialized='table', unique_key='id') }}

select 1 as id, 170141183460469231731687303715884105727 as total, 'a' as town union all select 2, 2, 'b'
