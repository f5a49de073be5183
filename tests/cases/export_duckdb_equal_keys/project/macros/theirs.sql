{% macro theirs() %}
  {% do run_query("create table main.names (name varchar collate nocase primary key, n bigint, title varchar collate nocase)") %}
{% endmacro %}
