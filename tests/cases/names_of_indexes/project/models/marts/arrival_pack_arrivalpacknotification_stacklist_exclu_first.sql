select 1 as id, 'a' || chr(0) as name
