with source as (

    select * from {{ source('loans', 'loan_collateral') }}

),

renamed as (

    select
        _id as collateral_id,
        application_id,
        kind as collateral_kind,
        {{ amount('value') }} as collateral_value,
        details.registered as is_registered,
        {{ whole_number('details.year') }} as year_made,
        _elt_rescued,
    from source

)

select
    * exclude (_elt_rescued),
    {{ unparsed([
        ('value', 'collateral_value'),
        ('details.year', 'year_made'),
    ]) }} as unparsed_fields,
from renamed
