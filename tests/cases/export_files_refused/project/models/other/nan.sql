select 'NaN' as t, [1.5, 'nan'::double] as l
