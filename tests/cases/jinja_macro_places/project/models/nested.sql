select
  {{ both('number') | trim }}
from {{ ref('base') }}
