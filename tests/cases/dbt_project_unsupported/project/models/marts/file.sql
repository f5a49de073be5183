{{ config(materialized='external', location='out.csv', database='odd') }} select 1 as a
