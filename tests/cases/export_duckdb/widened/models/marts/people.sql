select * from (values (1, 'Bob', 'Oslo', 1.5::decimal(12, 4), true), (2, 'Ann', null, 2, false), (4, 'Dee', 'Bern', 4, null)) t (person_id, name, city, amount, is_new)
