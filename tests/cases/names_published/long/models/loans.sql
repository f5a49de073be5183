select 1 as prêt, 2 as PRET, 3 as "name "
