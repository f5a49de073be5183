with restructurings as (

    select * from {{ ref('stg_loans__loan_restructurings') }}

)

select
    restructuring_id,
    application_id,
    new_term_months,
    new_interest_rate,
    restructured_at,
    len(unparsed_fields) > 0 as has_unparsed_values,
from restructurings
