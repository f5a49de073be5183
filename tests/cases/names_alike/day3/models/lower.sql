select 1 as _id, '' as n, 1 as seen where false
