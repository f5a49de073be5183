-- An installment is never paid more than it is due.

with repayments as (

    select * from {{ ref('loan_repayments') }}

)

select
    repayment_id,
    amount_due,
    amount_paid,
from repayments
where amount_paid > amount_due
