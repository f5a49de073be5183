with source as (

    select * from {{ source('loans', 'loan_repayments') }}

),

renamed as (

    select
        _id as repayment_id,
        application_id,
        {{ whole_number('installment_no') }} as installment_no,
        {{ moment('due_date') }}::date as due_date,
        {{ amount('amount_due') }} as amount_due,
        {{ amount('amount_paid') }} as amount_paid,
        {{ moment('paid_at') }} as paid_at,
        method as payment_method,
        -- Only decimals add up money exactly.
        coalesce(late_fee::decimal(38, 2), try_cast({{ rescued('late_fee') }} as decimal(38, 2))) as late_fee,
        updated_at,
        _elt_rescued,
    from source

)

select
    * exclude (_elt_rescued),
    {{ unparsed([
        ('installment_no', 'installment_no'),
        ('due_date', 'due_date'),
        ('amount_due', 'amount_due'),
        ('amount_paid', 'amount_paid'),
        ('paid_at', 'paid_at'),
        ('late_fee', 'late_fee'),
    ]) }} as unparsed_fields,
from renamed
