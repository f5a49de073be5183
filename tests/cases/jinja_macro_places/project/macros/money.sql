{% macro cents(column) -%}
  round({{ column }} * 100)::bigint
{%- endmacro %}

{% macro both(a) %}
  {{ cents(a) }} as cents,
  no_such_column
{% endmacro %}

{% test positive(model, column_name) %}
select {{ column_name }}
from {{ model }}
where {{ column_name }} > 0 and not_there
{% endtest %}
