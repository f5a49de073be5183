{{ config(materialized='table') }}

select 1 as id, [1, 2]::variant::json as list, 'text'::variant::json as nested
