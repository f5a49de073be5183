with disbursements as (

    select * from {{ ref('stg_loans__loan_disbursements') }}

)

select
    disbursement_id,
    application_id,
    transaction_id,
    bank,
    disbursed_at,
    amount,
    len(unparsed_fields) > 0 as has_unparsed_values,
from disbursements
