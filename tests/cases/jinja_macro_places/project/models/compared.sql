{% set text = cents('x') %}
select {% if text == 'round(x * 100)::bigint' %}wrong_one{% endif %}
from {{ ref('base') }}
