{% set columns = ['a', 'b'] %}
select
    {{ twice('n') }} as twice,
    {{ twice('n', times=var('rate')) }} as rated,
    '{{ var('unit') }}' as unit,
    '{{ env_var('REGION') }}' as region,
    '{{ env_var('ELSEWHERE', 'none') }}' as elsewhere,
    '{{ target.name }}' as target,
{%- for column in columns %}
    {{ loop.index }} as {{ column }},
{%- endfor %}
from {{ ref('base') }}
