select load as copy from {{ source('s', 'orders') }}
