{% macro generate_schema_name(custom, node) -%}
  {%- if node.resource_type in ('seed', 'snapshot', 'test') -%}
    {{ node.resource_type }}_{{ custom or 'plain' }}
  {%- elif node.fqn[1] == 'marts' and custom is not none -%}
    {{ return(custom | trim) }}
  {%- else -%}
    {{ default__generate_schema_name(custom, node) }}
  {%- endif -%}
{%- endmacro %}

{% macro default__generate_alias_name(custom_alias_name=none, node=none) -%}
  {%- set layer = node.config.meta.get('layer', node.config.materialized) -%}
  {{ layer }}_{{ custom_alias_name or node.name }}_{{ node.unique_id.split('.')[0][:1] }}{{ node.package_name[:1] }}{{ node.path.split('/')[0][:1] }}
{%- endmacro %}

{% macro generate_database_name(custom_database_name, node) %}
  {{ target.database }}
{% endmacro %}
