with sales as (select * from {{ ref('stg_sales') }}),
totals as (
  select client_id, count(*) as sales, sum(amount) as total, sum(amount) * (1 + {{ var('vat') }}) as total_gross
  from sales where state != 'returned' group by 1
)
select c.client_id, c.client_name, coalesce(t.sales, 0) as sales, t.total, t.total_gross
from {{ ref('stg_clients') }} c left join totals t using (client_id)
