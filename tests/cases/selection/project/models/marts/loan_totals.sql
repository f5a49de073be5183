{{ config(tags=['daily']) }}

select count(*) as n from {{ ref('loan_customers') }}
