{% macro cents_to_units(column, digits=2) -%}
  round({{ column }} / 100.0, {{ digits }})::decimal(16, {{ digits }})
{%- endmacro %}
