select * from {{ ref('between') }} join {{ ref('also') }} using (a)
