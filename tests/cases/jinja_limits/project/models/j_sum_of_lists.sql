{% set ns = namespace(x=[1]) %}
{% for i in range(60) %}
  {% set ns.x = ns.x + ns.x %}
{% endfor %}
