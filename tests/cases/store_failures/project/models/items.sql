{{ config(materialized='table') }} select * from (values (1, 5::hugeint), (2, 0), (2, -1)) as items (item_id, price)
