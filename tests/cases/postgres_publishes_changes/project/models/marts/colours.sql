select colour_id, name from {{ ref('palette') }}
