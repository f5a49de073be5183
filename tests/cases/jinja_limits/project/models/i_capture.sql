{% set ns = namespace(x='ab') %}
{% for i in range(60) %}
  {% set twice %}{{ ns.x }}{{ ns.x }}{% endset %}
  {% set ns.x = twice %}
{% endfor %}
