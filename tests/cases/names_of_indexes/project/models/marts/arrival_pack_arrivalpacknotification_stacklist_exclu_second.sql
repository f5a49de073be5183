select 1 as k, 'a' || chr(0) as name
