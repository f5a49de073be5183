{{ config(materialized='table', unique_key='at') }}

select timestamp '2024-01-02' as at, 'mended' as note
