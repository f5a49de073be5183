-- A loan has each of its installments once.

with repayments as (

    select * from {{ ref('loan_repayments') }}

)

select
    application_id,
    installment_no,
    count(*) as times,
from repayments
group by application_id, installment_no
having count(*) > 1
