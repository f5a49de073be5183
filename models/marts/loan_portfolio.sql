-- One row per loan, that is, per approved application. A table and not incremental, because the days past due of a late
-- loan change with the as-of date. That date is not a column, because it would change every row each day.

with applications as (

    select * from {{ ref('loan_applications') }}

),

disbursements as (

    select * from {{ ref('loan_disbursements') }}

),

repayments as (

    select * from {{ ref('loan_repayments') }}

),

restructurings as (

    select * from {{ ref('loan_restructurings') }}

),

as_of as (

    {% if var('as_of', '') %}
    select date '{{ var('as_of') }}' as as_of_date
    {% else %}
    -- The greatest date in the data, so that the same data always results in the same rows.
    select greatest(
        (select max(updated_at) from applications),
        (select max(updated_at) from repayments)
    )::date as as_of_date
    {% endif %}

),

disbursed as (

    select
        application_id,
        sum(amount) as amount_disbursed,
        min(disbursed_at) as disbursed_at,
    from disbursements
    group by application_id

),

repaid as (

    select
        repayments.application_id,
        count(*) as installments_due,
        count(*) filter (where amount_paid >= amount_due) as installments_paid,
        sum(amount_paid) as amount_repaid,
        sum(amount_due - amount_paid) filter (where due_date < as_of_date) as amount_overdue,
        min(due_date) filter (where due_date < as_of_date and amount_paid < amount_due) as overdue_since,
    from repayments
    cross join as_of
    group by repayments.application_id

),

loans as (

    select
        applications.application_id,
        applications.customer_id,
        applications.loan_type_id,
        applications.amount_requested,
        applications.term_months,
        coalesce(disbursed.amount_disbursed, 0) as amount_disbursed,
        disbursed.disbursed_at,
        coalesce(repaid.amount_repaid, 0) as amount_repaid,
        greatest(coalesce(disbursed.amount_disbursed, 0) - coalesce(repaid.amount_repaid, 0), 0) as amount_outstanding,
        greatest(coalesce(repaid.amount_overdue, 0), 0) as amount_overdue,
        coalesce(repaid.installments_due, 0) as installments_due,
        coalesce(repaid.installments_paid, 0) as installments_paid,
        coalesce(as_of_date - repaid.overdue_since, 0) as days_past_due,
        repaid.overdue_since,
        applications.application_id in (select application_id from restructurings) as is_restructured,
    from applications
    cross join as_of
    left join disbursed on applications.application_id = disbursed.application_id
    left join repaid on applications.application_id = repaid.application_id
    where applications.loan_status = 'Approved'

)

select
    *,
    case
        when disbursed_at is null and amount_disbursed = 0 then 'approved'
        when installments_paid >= term_months then 'repaid'
        when days_past_due > 90 then 'defaulted'
        when days_past_due > 0 then 'late'
        else 'active'
    end as loan_state,
from loans
