{{ config(materialized='table', unique_key='id') }}

select if(i = 1, 'none', '00000000-0000-0000-0000-00000000000' || i) as id, timestamp '2024-01-01' + to_hours(i) as at
from range(3) t(i)
