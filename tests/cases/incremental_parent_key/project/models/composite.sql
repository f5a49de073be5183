{{ config(materialized='incremental', unique_key=['PERSON_ID', 'number'], parent_key='person_id') }}
select id as person_id, number, {{ is_incremental() }} as was_there
from {{ ref('people') }} left join lateral (select unnest(string_split(numbers, ',')) as number) on true
{% if is_incremental() %} where version = 2 {% endif %}
