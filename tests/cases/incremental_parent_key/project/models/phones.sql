{{ config(materialized='incremental', unique_key='phone_id', parent_key='person_id', deletes='sweep') }}
with people as (
    select id as person_id, string_split(numbers, ',') as numbers, version
    from {{ ref('people') }}
    {% if is_incremental() %}
    where (id, version) not in (select (person_id, version) from {{ this }})
    {% endif %}
),
elements as (
    select *, unnest(if(len(numbers) > 0, range(1, len(numbers) + 1), [null])) as ordinal from people
)
select person_id || '-' || ordinal as phone_id, person_id, numbers[ordinal] as number, version, {{ is_incremental() }} as was_there
from elements
