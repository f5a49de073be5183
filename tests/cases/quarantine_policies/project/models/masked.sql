select n from {{ source('shop', 'masked') }}
