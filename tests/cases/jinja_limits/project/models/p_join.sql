{% set ns = namespace(x='ab') %}{% for i in range(60) %}
  {% set ns.x = [ns.x, ns.x] | join %}{% endfor %}
