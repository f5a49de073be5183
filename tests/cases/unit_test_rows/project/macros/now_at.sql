{% macro now_at() %}now(){% endmacro %}
