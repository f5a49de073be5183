{{ config(materialized='table', unique_key='id') }}

select
    i as id,
    if(i = 2, 'Ada' || chr(0) || ' Lovelace', 'Ada ' || i) as name,
    {'a': if(i = 1, 'nan', '1.5')::double} as numbers
from range(3) t(i)
