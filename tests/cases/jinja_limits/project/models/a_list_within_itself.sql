{% set l = [] %}
{% do l.append(l) %}{{ l }}
