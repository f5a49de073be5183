{% snapshot wrong %}
{{ config(strategy='timestamp', updated_at='updated', unique_key='id') }}
select * from {{ ref('people') }}
{% endsnapshot %}

{% snapshot worse %}
{{ config(strategy='check') }}
select * from {{ ref('people') }}
{% endsnapshot %}
