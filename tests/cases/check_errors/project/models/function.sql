select uper(name) as name from {{ source('shop', 'customers') }}
