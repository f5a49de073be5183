-- Dirty values that staging could not parse: a warning, for they are kept, and a person has to look.

{{ config(severity='warn') }}

{%- set models = [
    'stg_loans__customers', 'stg_loans__loan_types', 'stg_loans__loan_applications', 'stg_loans__loan_repayments',
    'stg_loans__customer_loan_histories', 'stg_loans__loan_collaterals', 'stg_loans__loan_restructurings',
    'stg_loans__loan_disbursements',
] %}

{% for model in models %}
select
    '{{ model }}' as model,
    unnest(unparsed_fields) as field,
from {{ ref(model) }}
{% if not loop.last %}union all by name{% endif %}
{% endfor %}
