{% set ns = namespace(x=[]) %}
{% for i in range(1000) %}{% set ns.x = [ns.x] %}{% endfor %}
{{ ns.x }}
