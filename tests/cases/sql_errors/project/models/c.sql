select 1 as n
frm {{ ref('a') }}
