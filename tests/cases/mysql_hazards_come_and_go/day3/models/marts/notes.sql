{{ config(materialized='table') }}

select * from (values (1, 'one'), (2, 'again')) as t (note_id, text)
