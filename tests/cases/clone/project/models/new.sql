{{ config(enabled=target.name == 'dev') }}
select 1 as id
