{{ config(materialized='incremental', unique_key='status_event_id', deletes='sweep') }}

with applications as (

    select * from {{ ref('stg_loans__loan_applications') }} as applications
    {% if is_incremental() %}
    -- New and changed documents: by equality with what is here, so that one that was written late counts as well.
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
        unnest(status_history) as event,
        generate_subscripts(status_history, 1) as ordinal,
        updated_at,
    from applications

)

select
    concat(application_id, '-', ordinal) as status_event_id,
    application_id,
    ordinal,
    event.status as status,
    event.at as occurred_at,
    updated_at as application_updated_at,
from elements
