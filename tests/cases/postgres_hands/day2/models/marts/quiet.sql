{{ config(materialized='table', unique_key='id') }}

select i as id, 'name ' || i || if(i = 2, '!', '') as name from range(6) as t(i) where i <> 3
