{% macro make_berths() %}
  {% do run_query("create or replace table main.berths as select 7 as berth_id, 1 as ship_id") %}
{% endmacro %}
