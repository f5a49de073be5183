{{ config(materialized='table') }}

select 1::hugeint as id, 1::hugeint as total, {'a': 1::hugeint} as parts
