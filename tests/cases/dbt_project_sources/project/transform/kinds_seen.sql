select * from {{ source('seeded', 'kinds') }}
