{{ config(materialized='incremental', unique_key='guarantor_id', parent_key='application_id', deletes='sweep') }}

with applications as (

    select * from {{ ref('stg_loans__loan_applications') }} as applications
    {% if is_incremental() %}
    -- New and changed documents. They are compared with the existing rows, so that late documents are included.
    where not exists (
        select 1
        from {{ this }} as known
        where known.application_id = applications.application_id
            and known.application_updated_at = applications.updated_at
    )
    {% endif %}

),

elements as (

    select
        application_id,
        guarantors,
        {{ ordinals('guarantors') }} as ordinal,
        updated_at,
    from applications

)

select
    application_id || '-' || ordinal as guarantor_id,
    application_id,
    ordinal,
    guarantors[ordinal].name as guarantor_name,
    guarantors[ordinal].relation as relation,
    guarantors[ordinal].income as income,
    updated_at as application_updated_at,
from elements
