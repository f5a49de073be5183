{{ config(materialized='table') }} select * from {{ source('files', 'ships') }} join {{ source('parts', 'all') }} using (id)
