select nope from {{ ref('built') }}
