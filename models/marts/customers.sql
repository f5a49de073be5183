{{ config(materialized='incremental', unique_key='customer_id', deletes='sweep') }}

with customers as (

    select * from {{ ref('stg_loans__customers') }} as customers
    {% if is_incremental() %}
    -- New and changed documents. They are compared with the existing rows, so that late documents are included.
    where not exists (
        select 1
        from {{ this }} as known
        where known.customer_id = customers.customer_id
            and known.updated_at = customers.updated_at
    )
    {% endif %}

)

select
    customer_id,
    first_name,
    last_name,
    date_of_birth,
    gender,
    email,
    street,
    city,
    postal_code,
    longitude,
    latitude,
    id_type,
    id_number,
    is_verified,
    employment_status,
    monthly_income,
    dependents,
    score,
    nickname,
    created_at,
    updated_at,
    len(unparsed_fields) > 0 as has_unparsed_values,
from customers
