{{ config(materialized='incremental', unique_key='application_id', deletes='sweep') }}

with applications as (

    select * from {{ ref('stg_loans__loan_applications') }} as applications
    {% if is_incremental() %}
    -- New and changed documents. They are compared with the existing rows, so that late documents are included.
    where not exists (
        select 1
        from {{ this }} as known
        where known.application_id = applications.application_id
            and known.updated_at = applications.updated_at
    )
    {% endif %}

)

select
    application_id,
    customer_id,
    loan_type_id,
    amount_requested,
    term_months,
    interest_rate,
    loan_status,
    applied_at,
    decided_by,
    decided_at,
    decision_reason,
    updated_at,
    len(unparsed_fields) > 0 as has_unparsed_values,
from applications
