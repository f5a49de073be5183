select n from {{ source('shop', 'lines') }}
