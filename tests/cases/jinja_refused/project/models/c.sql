select {{ dbt.dateaad('day', 1, 'x') }}
