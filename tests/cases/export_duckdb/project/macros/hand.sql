{% macro hand() %}
  {% do run_query("create view sales.names as select name from sales.people") %}
  {% do run_query("create index theirs on sales.people (amount)") %}
  {% do run_query("alter table sales.people add column rating integer default 3") %}
  {% do run_query("update sales.people set rating = 9 where person_id = 4") %}
{% endmacro %}
{% macro restore() %}
  {% do run_query("delete from _elt.publications where number > 1") %}
  {% do run_query("update sales.people set city = 'edited' where person_id = 1") %}
  {% do run_query("insert into sales.people (person_id, name) values (77, 'Somebody')") %}
{% endmacro %}
