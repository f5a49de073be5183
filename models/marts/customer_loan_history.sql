with histories as (

    select * from {{ ref('stg_loans__customer_loan_histories') }}

)

select
    customer_loan_history_id,
    customer_id,
    approved_applications,
    total_borrowed,
    len(unparsed_fields) > 0 as has_unparsed_values,
from histories
