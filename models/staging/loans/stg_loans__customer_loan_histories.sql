with source as (

    select * from {{ source('loans', 'customer_loan_history') }}

),

renamed as (

    select
        _id as customer_loan_history_id,
        customer_id,
        {{ whole_number('applications.approved') }} as approved_applications,
        {{ amount('total_borrowed') }} as total_borrowed,
        _elt_rescued,
    from source

)

select
    * exclude (_elt_rescued),
    {{ unparsed([
        ('applications.approved', 'approved_applications'),
        ('total_borrowed', 'total_borrowed'),
    ]) }} as unparsed_fields,
from renamed
