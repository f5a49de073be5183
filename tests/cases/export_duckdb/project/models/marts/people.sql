{% if var('day') == 1 %}
select * from (values (1, 'Ann', 'Oslo', 1.5::decimal(9, 2)), (2, 'Bob', null, 2), (3, 'Cy', 'Bern', 3)) t (person_id, name, city, amount)
{% else %}
-- Two swap their unique names, one is gone, one is new.
select * from (values (1, 'Bob', 'Oslo', 1.5::decimal(9, 2)), (2, 'Ann', null, 2), (4, 'Dee', 'Bern', 4)) t (person_id, name, city, amount)
{% endif %}
