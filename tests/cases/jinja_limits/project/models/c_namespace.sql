{% set ns = namespace() %}{% set ns.me = [ns] %}
{{ ns.me | sort }}
