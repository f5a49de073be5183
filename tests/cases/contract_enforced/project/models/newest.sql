{{ config(materialized='incremental', unique_key='loan_id', on_schema_change='fail') }}
select loan_id, amount from {{ ref('loans') }}
