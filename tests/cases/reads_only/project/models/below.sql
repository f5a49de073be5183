select * from {{ ref('undeclared') }}
