with loan_types as (

    select * from {{ ref('stg_loans__loan_types') }}

),

elements as (

    select
        loan_type_id,
        unnest(terms) as term_months,
        generate_subscripts(terms, 1) as ordinal,
    from loan_types

)

select
    concat(loan_type_id, '-', ordinal) as loan_type_term_id,
    loan_type_id,
    ordinal,
    term_months,
from elements
