select i as _id, i * 10 as items_id from range(2) t(i)
