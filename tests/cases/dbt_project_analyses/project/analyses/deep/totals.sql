select sum(n) as total from {{ ref('answer') }} where '{{ this.name }}' = 'totals'
