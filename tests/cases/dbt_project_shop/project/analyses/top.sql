select * from {{ ref('clients') }} order by total desc limit 3
