select loan_id from {{ ref('loans') }}
