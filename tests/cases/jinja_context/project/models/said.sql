{{ config(materialized='table') }}
{{ exceptions.warn('something is odd') }}
{{ log('on the console', info=true) }}{{ log('nowhere') }}{{ print('printed too') }}
{% call set_sql_header(config) %}
create temp macro plus_one(x) as x + 1;
{% endcall %}
select plus_one(1) as n, '{{ model.unique_id }}' as id, '{{ flags.WHICH }}' as command,
  '{{ graph.nodes.values() | map(attribute='name') | sort | join(' ') }}' as nodes
