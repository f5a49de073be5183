select city, count(*) as customers, max(double_score) as best from {{ ref('customers') }} group by city
