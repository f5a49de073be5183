{{ config(store_failures=true) }}
select * from {{ ref('persons') }} where id > 5
