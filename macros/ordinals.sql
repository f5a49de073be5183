{#-
  One row an element of a list, by its number from 1. A parent without elements keeps one row, without a number: what it
  had before goes by that row (`parent_key`).
-#}
{% macro ordinals(elements) -%}
unnest(if(len({{ elements }}) > 0, range(1, len({{ elements }}) + 1), [null]))
{%- endmacro %}
