{{ config(materialized='view', unique_key='id') }}

select id, amount
from read_csv('people.csv', header = false, columns = {'id': 'bigint', 'amount': 'bigint', 'note': 'varchar'})
