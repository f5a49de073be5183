select i as _id, i * 10 as id from range(2) t(i)
