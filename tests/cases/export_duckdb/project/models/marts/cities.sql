select city, count(*) as n from {{ ref('people') }} group by all
