{% macro hand() %}
{% do run_query("update things set new = 9 where n = 2; delete from things where n = 3; insert into things values (7, '{}', {'n': 7}, {'n': 7}, 7, null)") %}
{% endmacro %}
