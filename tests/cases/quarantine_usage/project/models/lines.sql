select m from {{ source('shop', 'lines') }}
