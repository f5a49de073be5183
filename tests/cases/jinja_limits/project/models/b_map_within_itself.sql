{% set d = {} %}{% set e = [d] %}
{% do d.update({"e": e}) %}{{ d | tojson }}
