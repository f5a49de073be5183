{% snapshot wrong %}
{{ config(strategy='timestamp', updated_at='updated', unique_key='id') }}
select *, nmae from {{ ref('people') }}
{% endsnapshot %}

{% snapshot worse %}
{{ config(strategy='timestamp', updated_at='updated', unique_key='id') }}
select * from {{ ref('people') }}
{% endsnapshot %}
