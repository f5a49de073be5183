{{ config(materialized='incremental', unique_key='repayment_id', deletes='sweep') }}

with repayments as (

    select * from {{ ref('stg_loans__loan_repayments') }} as repayments
    {% if is_incremental() %}
    -- New and changed documents. They are compared with the existing rows, so that late documents are included.
    where not exists (
        select 1
        from {{ this }} as known
        where known.repayment_id = repayments.repayment_id
            and known.updated_at = repayments.updated_at
    )
    {% endif %}

)

select
    repayment_id,
    application_id,
    installment_no,
    due_date,
    amount_due,
    amount_paid,
    paid_at,
    payment_method,
    late_fee,
    updated_at,
    len(unparsed_fields) > 0 as has_unparsed_values,
from repayments
