{{ config(materialized='table') }}

select * from (values (1, 'one'), (2, 'two' || chr(0))) as t (note_id, text)
