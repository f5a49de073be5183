select * from {{ ref('revenue') }} -- from outside
