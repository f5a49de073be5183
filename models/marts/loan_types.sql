with loan_types as (

    select * from {{ ref('stg_loans__loan_types') }}

)

select
    loan_type_id,
    loan_type_code,
    loan_type_name,
    max_amount,
    interest_rate,
    interest_kind,
    is_active,
from loan_types
