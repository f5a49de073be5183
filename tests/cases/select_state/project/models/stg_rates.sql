select * from {{ ref('rates') }}
