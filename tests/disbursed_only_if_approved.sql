-- Only an approved loan is paid out.

with disbursements as (

    select * from {{ ref('loan_disbursements') }}

),

applications as (

    select * from {{ ref('loan_applications') }}

)

select
    disbursements.disbursement_id,
    applications.loan_status,
from disbursements
inner join applications on disbursements.application_id = applications.application_id
where applications.loan_status != 'Approved'
