select double(n) as n from {{ ref('answer') }}
