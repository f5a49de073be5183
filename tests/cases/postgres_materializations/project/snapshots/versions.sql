{% snapshot versions %}
{{ config(unique_key='person_id', strategy='check', check_cols=['name'], hard_deletes='invalidate') }}
select person_id, name from {{ ref('people') }}
{% endsnapshot %}
