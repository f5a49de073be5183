select totl
from {{ ref('answer') }}
