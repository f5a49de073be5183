{% test big(model, column_name, min=1) %}
{{ config(severity='warn', store_failures=true) }}
select * from {{ model }} where {{ column_name }} > {{ min }}
{% endtest %}
