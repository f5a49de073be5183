select * from (values ('C1'), ('C2'), ('C3'), ('C4')) as t(code)
