{{ config(materialized='table') }}
select count(*) as rows from {{ ref('as_incremental') }} join {{ ref('other') }} using (id)
