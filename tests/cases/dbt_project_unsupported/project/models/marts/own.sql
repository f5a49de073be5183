{{ config(materialized='my_own', database='other') }} select 1 as a
