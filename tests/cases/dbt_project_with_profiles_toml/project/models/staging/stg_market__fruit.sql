select _id::int as fruit_id, name, count from {{ source('market', 'fruit') }}
