with source as (

    select * from {{ source('loans', 'loan_restructuring') }}

),

renamed as (

    select
        _id as restructuring_id,
        application_id,
        {{ whole_number('new_loan_terms.term_months') }} as new_term_months,
        new_loan_terms.interest_rate as new_interest_rate,
        coalesce(
            [
                struct_pack(clause := term.clause, months := term.months)
                for term in restructure_terms if term is not null
            ],
            []
        ) as restructure_terms,
        {{ moment('at', '"at"') }} as restructured_at,
        _elt_rescued,
    from source

)

select
    * exclude (_elt_rescued),
    {{ unparsed([
        ('new_loan_terms.term_months', 'new_term_months'),
        ('at', 'restructured_at'),
    ]) }} as unparsed_fields,
from renamed
