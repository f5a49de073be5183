{#-
  One row per element of a list, with its number from 1. A parent without elements keeps one row without a number. This
  row replaces the earlier rows of the parent (`parent_key`).
-#}
{% macro ordinals(elements) -%}
unnest(if(len({{ elements }}) > 0, range(1, len({{ elements }}) + 1), [null]))
{%- endmacro %}
