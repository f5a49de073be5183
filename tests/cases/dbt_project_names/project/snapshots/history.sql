{% snapshot history %}
{{ config(strategy='check', unique_key='id', check_cols='all') }}
select * from {{ ref('people') }}
{% endsnapshot %}
