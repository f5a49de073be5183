select 1 as item_id, 0::hugeint as price, interval 1 day as since
