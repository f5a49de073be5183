select no_such from {{ ref('rates') }}
