with source as (

    select * from {{ source('loans', 'loan_applications') }}

),

renamed as (

    select
        application_id,
        customer_id,
        loan_type_id,
        {{ amount('amount_requested') }} as amount_requested,
        {{ whole_number('term_months') }} as term_months,
        interest_rate,
        loan_status,
        {{ moment('applied_at') }} as applied_at,
        decision.by as decided_by,
        decision.at as decided_at,
        decision.reason as decision_reason,
        coalesce(
            [
                struct_pack(name := guarantor.name, relation := guarantor.relation, income := guarantor.income)
                for guarantor in guarantors if guarantor is not null
            ],
            []
        ) as guarantors,
        coalesce(
            [struct_pack(status := event.status, at := event.at) for event in status_history if event is not null],
            []
        ) as status_history,
        updated_at,
        _elt_rescued,
    from source

)

select
    * exclude (_elt_rescued),
    {{ unparsed([
        ('amount_requested', 'amount_requested'),
        ('term_months', 'term_months'),
        ('applied_at', 'applied_at'),
    ]) }} as unparsed_fields,
from renamed
