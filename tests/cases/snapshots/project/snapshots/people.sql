{% snapshot by_time %}
{{ config(target_schema='history', strategy='timestamp', updated_at='updated_at', hard_deletes='invalidate') }}
select * from {{ ref('people') }}
{% endsnapshot %}

{% snapshot by_check %}
{{ config(
    strategy='check',
    check_cols=['name'],
    hard_deletes='new_record',
    snapshot_meta_column_names={'dbt_valid_to': 'valid_to', 'dbt_is_deleted': 'gone'}
) }}
select id, name from {{ ref('people') }}
{% endsnapshot %}
