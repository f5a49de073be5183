{% macro va(a, b=2) %}{{ a }}-{{ b }}-{{ varargs | join('+') }}-{{ kwargs.get('z', 'none') }}{% endmacro %}
{% macro wrap(x) %}[{{ caller() }}{{ x }}]{% endmacro %}
{% macro default__hash(field) %}upper(md5({{ field }})){% endmacro %}
