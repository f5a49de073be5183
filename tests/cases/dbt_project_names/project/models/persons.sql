{{ config(materialized='table', meta={'layer': 'stg'}) }} select id, name from {{ ref('people') }}
