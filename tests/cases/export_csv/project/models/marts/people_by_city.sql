select person_id, name, city from {{ ref('people_seed') }}
