with source as (

    select * from {{ source('loans', 'loan_disbursement') }}

),

renamed as (

    select
        _id as disbursement_id,
        application_id,
        transaction.id as transaction_id,
        transaction.bank as bank,
        {{ moment('transaction.at') }} as disbursed_at,
        {{ amount('amount') }} as amount,
        _elt_rescued,
    from source

)

select
    * exclude (_elt_rescued),
    {{ unparsed([
        ('transaction.at', 'disbursed_at'),
        ('amount', 'amount'),
    ]) }} as unparsed_fields,
from renamed
