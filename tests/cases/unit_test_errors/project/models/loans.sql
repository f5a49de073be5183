select id, amount, customer.name as name from {{ source('bank', 'raw') }}
