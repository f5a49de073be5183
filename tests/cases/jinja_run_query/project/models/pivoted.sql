-- depends_on: {{ ref('kinds') }}
{%- set kinds = values_of(ref('kinds'), 'kind') %}
select
{%- for kind in kinds %}
  count(*) filter (kind = '{{ kind }}') as {{ kind }}_count,
{%- endfor %}
  count(*) as all_count
from {{ ref('kinds') }}
