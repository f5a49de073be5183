{{ config(materialized='table', unique_key='id') }}

select
    i as id,
    if(i = 1, 'Ada Lovelace', 'Ada') as name,
    if(i = 2, 'nan', '1.5')::double as score,
    if(i = 0, date '10000-01-01', date '1815-12-10') as born
from range(3) t(i)
