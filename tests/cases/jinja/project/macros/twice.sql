{% macro twice(column, times=2) %}({{ column }} * {{ times }}){% endmacro %}
