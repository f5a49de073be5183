{{ config(materialized='table') }}

select * from (values (100, 1), (200, 2)) as t (remark_id, note_id)
