{% macro hand() %}
  {% do run_query("create table main.narrow (n smallint, t varchar, must integer not null)") %}
  {% do run_query("create table main.fits (id bigint default 7, N bigint, T varchar, k integer, mine varchar default 'x')") %}
  {% do run_query("insert into main.fits values (70, 1, 'old', 5, 'kept'), (71, 9, 'gone', 5, 'kept')") %}
  {% do run_query("create view main.seen as select 1 as n") %}
{% endmacro %}
{% macro room() %}
  {% do run_query("drop view main.seen") %}
  {% do run_query("drop table main.narrow") %}
{% endmacro %}
