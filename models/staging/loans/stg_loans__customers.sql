with source as (

    select * from {{ source('loans', 'customers') }}

),

renamed as (

    select
        customer_id,
        name.first as first_name,
        name.last as last_name,
        {{ moment('dob') }}::date as date_of_birth,
        gender,
        email,
        -- A single phone instead of a list becomes a list of one. A missing list becomes an empty list.
        coalesce(
            [struct_pack(type := phone.type, number := phone.number) for phone in phones if phone is not null],
            case
                when json_type(_elt_rescued, '$."phones"') = 'OBJECT'
                    then [struct_pack(
                        type := _elt_rescued ->> '$."phones"."type"',
                        number := _elt_rescued ->> '$."phones"."number"'
                    )]
            end
        ) as phones,
        -- An address in one line is the street, followed by the city after the last comma.
        case when json_type(_elt_rescued, '$."address"') = 'VARCHAR' then {{ rescued('address') }} end as address_line,
        coalesce(address.street, trim(regexp_extract(address_line, '^(.*?)(,[^,]*)?$', 1))) as street,
        coalesce(address.city, nullif(trim(regexp_extract(address_line, ',([^,]*)$', 1)), '')) as city,
        address.postal_code as postal_code,
        address.geo.coordinates[1] as longitude,
        address.geo.coordinates[2] as latitude,
        kyc.id_type as id_type,
        kyc.id_number as id_number,
        kyc.verified as is_verified,
        coalesce(
            [
                struct_pack(kind := document.kind, uploaded_at := document.uploaded_at)
                for document in kyc.documents if document is not null
            ],
            []
        ) as documents,
        employment.status as employment_status,
        {{ amount('employment.monthly_income') }} as monthly_income,
        {{ whole_number('dependents') }} as dependents,
        {{ whole_number('score') }} as score,
        coalesce([tag for tag in tags if tag is not null], []) as tags,
        nickname,
        {{ moment('created_at') }} as created_at,
        updated_at,
        _elt_rescued,
    from source

)

select
    * exclude (_elt_rescued, address_line) replace (coalesce(phones, []) as phones),
    {{ unparsed([
        ('dob', 'date_of_birth'),
        ('phones', 'phones'),
        ('address', 'street'),
        ('employment.monthly_income', 'monthly_income'),
        ('dependents', 'dependents'),
        ('score', 'score'),
        ('created_at', 'created_at'),
    ]) }} as unparsed_fields,
from renamed
