{% macro note(text, times=2) %}
  {% do run_query('create table if not exists notes (note varchar)') %}
  {% for number in range(times) %}
    {% call statement() %}insert into notes values ('{{ text }} {{ number }}'){% endcall %}
  {% endfor %}
  {% set found = run_query('select count(*) as notes from notes') %}
  {% do log('there are ' ~ found.columns[0][0] ~ ' notes', info=true) %}
  {% do found.print_table() %}
{% endmacro %}

{% macro fails() %}
  {{ note('lost') }}
  {{ exceptions.raise_compiler_error('this far and no further') }}
{% endmacro %}
