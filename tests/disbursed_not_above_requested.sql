-- No loan pays out more than was asked for.

with portfolio as (

    select * from {{ ref('loan_portfolio') }}

)

select
    application_id,
    amount_requested,
    amount_disbursed,
from portfolio
where amount_disbursed > amount_requested
