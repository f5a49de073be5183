select 1 as a,
    {{ [][::-1] }}
