{% macro theirs() %}
  {% do run_query("create table main.customer (id bigint primary key, name varchar, note varchar default 'none')") %}
  {% do run_query("insert into main.customer values (2, 'theirs', 'kept'), (900000, 'app', 'kept')") %}
  {% do run_query("create table main.kept (id bigint, name varchar)") %}
  {% do run_query("insert into main.kept values (2, 'theirs'), (5, 'app')") %}
  {% do run_query("create table main.notes (name varchar)") %}
  {% do run_query("insert into main.notes values ('theirs')") %}
{% endmacro %}
