select 1 as id); copy (select 1 as z) to 'data/ships.csv'; create view elt_tests.q as (select 1
