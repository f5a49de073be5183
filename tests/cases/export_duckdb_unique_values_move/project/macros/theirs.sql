{% macro theirs() %}
  {% do run_query("create table main.badges (id bigint primary key, email varchar not null unique, pos integer not null unique check (pos > 0), note varchar default 'theirs')") %}
  {% do run_query("insert into main.badges values (3, 'c', 3, 'kept')") %}
  {% do run_query("create table main.names (name varchar collate nocase, n bigint)") %}
{% endmacro %}
