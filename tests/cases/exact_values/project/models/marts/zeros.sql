{{ config(materialized='view', unique_key='id') }}

select 1 as id, 0.0::double as zero, 0.0::float as narrow, [0.0::double, -0.0::double] as zeros, {'z': 0.0::double} as nested
union all
select 2, -0.0::double, -0.0::float, [], null
