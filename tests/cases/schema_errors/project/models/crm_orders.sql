select n from {{ source('crm', 'orders') }}
