{% macro inner() %}{% for i in range(100000) %}{% endfor %}{% endmacro %}
{% macro outer() %}{% for i in range(100000) %}{{ inner() }}{% endfor %}{% endmacro %}
