with t as (select 'a,b' as x, date '2024-01-31' as d, date '2024-03-01' as e, 7 as n)
select
  {{ dbt.concat(['x', "'!'"]) }} as concat,
  {{ dbt.date(2024, 1, 2) }} as date,
  {{ dbt.date_trunc('month', 'd') }} as date_trunc,
  {{ dbt.dateadd('day', 3, 'd') }} as days_later,
  {{ dateadd(datepart='quarter', interval=-1, from_date_or_timestamp='d') }} as quarter_before,
  {{ dbt.datediff('d', 'e', 'day') }} as days_between,
  {{ dbt.datediff('d', 'e', 'week') }} as weeks_between,
  {{ dbt.equals('n', '7') }} as equals,
  {{ dbt.string_literal(dbt.escape_single_quotes("it's")) }} as escaped,
  {{ dbt.hash('x') }} as hash_of_the_project,
  {{ dbt.last_day('d', 'month') }} as last_day,
  {{ dbt.length('x') }} as length,
  {{ dbt.position("','", 'x') }} as position,
  {{ dbt.right('x', 1) }} as right,
  {{ dbt.safe_cast('n', dbt.type_string()) }} as cast,
  {{ dbt.split_part('x', "','", 2) }} as split_part,
  {{ dbt.array_construct([1, 2]) }} as array,
  (select max(generated_number) from ({{ dbt.generate_series(5) }})) as series,
  (select count(*) from ({{ dbt.date_spine('day', "date '2024-01-01'", "date '2024-01-10'") }})) as spine
from t
