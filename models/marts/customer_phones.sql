{{ config(materialized='incremental', unique_key='phone_id', deletes='sweep') }}

with customers as (

    select * from {{ ref('stg_loans__customers') }} as customers
    {% if is_incremental() %}
    -- New and changed documents: by equality with what is here, so that one that was written late counts as well.
    where not exists (
        select 1
        from {{ this }} as known
        where known.customer_id = customers.customer_id
            and known.customer_updated_at = customers.updated_at
    )
    {% endif %}

),

elements as (

    select
        customer_id,
        unnest(phones) as phone,
        generate_subscripts(phones, 1) as ordinal,
        updated_at,
    from customers

)

select
    concat(customer_id, '-', ordinal) as phone_id,
    customer_id,
    ordinal,
    phone.type as phone_type,
    phone.number as phone_number,
    updated_at as customer_updated_at,
from elements
