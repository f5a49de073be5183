select 'C1' as code, * from {{ ref('accounts') }}
