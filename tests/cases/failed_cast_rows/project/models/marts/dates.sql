select _id, a::date as d from {{ source('s','c') }}
