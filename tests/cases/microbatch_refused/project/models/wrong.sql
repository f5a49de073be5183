{{ config(
    materialized='incremental', incremental_strategy='microbatch', unique_key='id',
    event_time='ts', begin='soon', batch_size='week', lookback='two'
) }}
select * from {{ ref('events') }}
