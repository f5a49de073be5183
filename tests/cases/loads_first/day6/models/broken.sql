select nme from {{ ref('customers') }}
