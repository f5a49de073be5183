{% import 'x.sql' as x %}select 1
