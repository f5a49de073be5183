{{ config(materialized='incremental', incremental_strategy='microbatch', event_time='ts', begin='2024-01-01', batch_size='day') }}
select
  id,
  ts,
  '{{ model.batch.id }}' as batch,
  {{ is_incremental() }} as was_there,
  case when amount = 0 then -1 else amount end as amount,
  (select count(*) from {{ ref('events').render() }}) as all_events
from {{ ref('events') }} as e
