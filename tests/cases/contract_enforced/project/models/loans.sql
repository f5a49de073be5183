{{ config(materialized='table') }}
with raw as (select * from {{ ref('raw_loans') }})
select amount::decimal(18, 2) as amount, loan as loan_id, customer as customer_id from raw
