{{ config(materialized='table') }}
select order_id, total * 2 as doubled, ship.city as city from {{ ref('stg_orders') }}
