select id from {{ ref('ids') }}
{% if var('least', 0) %}where id > {{ var('least') }}{% endif %}
