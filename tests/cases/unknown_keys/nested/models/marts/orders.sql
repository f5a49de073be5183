{{ config(unique_key='_id', read_by_a_macro=1, read_here=2) }}
select _id, total, {{ config.get('read_here') }} as n, {{ reads() }} as m from {{ source('s', 'orders') }}
