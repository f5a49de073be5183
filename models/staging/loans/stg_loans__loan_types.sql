with source as (

    select * from {{ source('loans', 'loan_types') }}

),

renamed as (

    select
        -- Applications refer to this id.
        _id as loan_type_id,
        loan_type_id as loan_type_code,
        name as loan_type_name,
        {{ amount('max_amount') }} as max_amount,
        interest.rate as interest_rate,
        interest.kind as interest_kind,
        coalesce(terms, []) as terms,
        active as is_active,
        _elt_rescued,
    from source

)

select
    * exclude (_elt_rescued),
    {{ unparsed([('max_amount', 'max_amount')]) }} as unparsed_fields,
from renamed
