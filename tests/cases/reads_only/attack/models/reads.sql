{% set found = run_query("select content from read_text('private.csv')") %}
select '{{ found.rows[0][0] if execute }}' as secret
