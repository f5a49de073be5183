with restructurings as (

    select * from {{ ref('stg_loans__loan_restructurings') }}

),

elements as (

    select
        restructuring_id,
        unnest(restructure_terms) as term,
        generate_subscripts(restructure_terms, 1) as ordinal,
    from restructurings

)

select
    concat(restructuring_id, '-', ordinal) as restructure_term_id,
    restructuring_id,
    ordinal,
    term.clause as clause,
    term.months as months,
from elements
