{% macro reads() %}{{ config.get('read_by_a_macro') }}{% endmacro %}
