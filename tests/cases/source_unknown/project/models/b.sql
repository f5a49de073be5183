select * from {{ source('shp', 'orders') }}
