{% for table in ['v1', 'shell', 'mongosh'] %}
select '{{ table }}' as source, _id, "at"::varchar as "at", n, hex(bin) as bin, re, ts, ref, d::varchar as d
from {{ source('shop', table) }}
{{ 'union all by name' if not loop.last }}
{% endfor %}
