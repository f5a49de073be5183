{% do run_query("copy (select 1) to 'data/ships.csv'") %}
select 1 as id
