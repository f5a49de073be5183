select 1::bigint as person_id, 'Ada' as name
union all
select 2, 'Bola'
union all
select 3, 'Chidi'
