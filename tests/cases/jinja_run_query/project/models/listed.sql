{% set found = adapter.get_relation(database=this.database, schema=this.schema, identifier='kinds') %}
{% call statement('largest', fetch_result=True) %}
select id, amount from {{ ref('kinds') }} order by amount desc limit 1
{% endcall %}
{% set largest = load_result('largest') %}
{% if var('missing', false) %}{% do run_query('select * from nowhere') %}{% endif %}
select 'relation' as what, '{{ found.type }} {{ found.identifier }}' as value
union all select 'missing', '{{ adapter.get_relation(this.database, this.schema, 'nothing') is none }}'
{% if execute %}
{% for column in adapter.get_columns_in_relation(ref('kinds')) %}
union all select 'column', '{{ column.name }} {{ column.data_type }} {{ column.is_string() }}'
{% endfor %}
{% for row in largest.table.rows %}
union all select 'row', '{{ row['id'] }} {{ row[1] }}'
{% endfor %}
union all select 'data', '{{ largest['data'][0][0] }}'
union all select 'names', '{{ largest['table'].column_names | join(' ') }}'
{% endif %}
