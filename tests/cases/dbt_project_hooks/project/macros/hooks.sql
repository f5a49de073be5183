{% macro make_double() %}
create or replace macro double(x) as 2 * x
{% endmacro %}

{% macro record(results) %}
  {% if execute %}
    {% for result in results if result.node.resource_type != 'operation' %}
      insert into audit values (
        'end', '{{ result.node.unique_id.split('.')[:3] | join('.') }}', '{{ result.status }}', '{{ result.failures }}'
      );
    {% endfor %}
  {% endif %}
{% endmacro %}
