{{ config(materialized='table', unique_key='id') }}

select * from (values (1, 'abc1'), (3, 'xyz1')) as t (id, code)
