with collaterals as (

    select * from {{ ref('stg_loans__loan_collaterals') }}

)

select
    collateral_id,
    application_id,
    collateral_kind,
    collateral_value,
    is_registered,
    year_made,
    len(unparsed_fields) > 0 as has_unparsed_values,
from collaterals
