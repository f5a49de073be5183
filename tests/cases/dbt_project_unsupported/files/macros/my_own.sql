{% materialization my_own, adapter="duckdb" %}
{% endmaterialization %}
