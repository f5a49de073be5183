{% macro values_of(relation, column) %}
  {%- set found = run_query('select distinct ' ~ column ~ ' from ' ~ relation ~ ' order by 1') -%}
  {{ return(found.columns[0].values() if execute else []) }}
{% endmacro %}
