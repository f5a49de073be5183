{{ config(materialized='incremental', unique_key='document_id', parent_key='customer_id', deletes='sweep') }}

with customers as (

    select * from {{ ref('stg_loans__customers') }} as customers
    {% if is_incremental() %}
    -- New and changed documents. They are compared with the existing rows, so that late documents are included.
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
        documents,
        {{ ordinals('documents') }} as ordinal,
        updated_at,
    from customers

)

select
    customer_id || '-' || ordinal as document_id,
    customer_id,
    ordinal,
    documents[ordinal].kind as document_kind,
    documents[ordinal].uploaded_at as uploaded_at,
    updated_at as customer_updated_at,
from elements
