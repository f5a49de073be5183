{{ config(export={'table': 'ORDERS'}) }}
select 1 as id
