select customer_id, ctiy from {{ ref('good') }}
