{% macro generate_database_name(custom_database_name, node) %}
  {{ 'elsewhere' if node.name == 'persons' else target.database }}
{% endmacro %}
