select id, amuont from {{ source('bank', 'untyped') }}
