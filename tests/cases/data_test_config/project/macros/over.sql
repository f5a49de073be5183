{% test accepted_values(model, column_name, values) %}
select 1 as overridden from {{ model }} limit 2
{% endtest %}
