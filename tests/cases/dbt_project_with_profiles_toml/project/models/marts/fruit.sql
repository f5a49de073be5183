select * from {{ ref('stg_market__fruit') }} where count >= {{ var('least') }}
