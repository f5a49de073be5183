select
    'NaN' as t,
    [1.5, 'nan'::double] as l,
    {'nan': '-Infinity', 'x': '-infinity'::double, 'y': ['infinity'::float, null], 'z': 'a "NaN" inf'} as s,
    '-nan'::double as d
