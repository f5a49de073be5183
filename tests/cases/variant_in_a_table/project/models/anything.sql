{{ config(materialized='table') }}

select 1 as id, [1, 2]::variant as list, {'v': 'text'::variant} as nested
