select 1::bigint as person_id, 'Ada L.' as name
union all
select 3, 'Chidi'
union all
select 4, 'Dayo'
