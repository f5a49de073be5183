with elements as (
    select _id, unnest(phones) as phone, generate_subscripts(phones, 1) as ordinal
    from {{ source('shop', 'customers') }}
)

select _id, phone.number, ordinal, tag.tag, spread.*
from elements
join (select _id as other_id, t.tag from {{ source('shop', 'customers') }}, unnest(tags) as t(tag)) as tag on other_id = _id
join (select _id as third_id, unnest(address) from {{ source('shop', 'customers') }}) as spread on third_id = _id
