select 'N' || (i % 5) as national_id, i as order_no from range({{ var('n') }}) t(i)
