{% set columns %}amount, {{ cents('amuont') }} as cents{% endset %}
select {{ columns }}
from {{ ref('base') }}
