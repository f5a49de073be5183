select
    1 as n
{% if target.name == 'dev' %}
where true
