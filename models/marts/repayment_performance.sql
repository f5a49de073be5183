-- One row per month and loan type. A table and not incremental, because a payment today changes the month of its due
-- date.

with repayments as (

    select * from {{ ref('loan_repayments') }}

),

applications as (

    select * from {{ ref('loan_applications') }}

),

loan_types as (

    select * from {{ ref('loan_types') }}

),

by_month as (

    select
        date_trunc('month', repayments.due_date)::date as due_month,
        applications.loan_type_id,
        count(*) as installments,
        count(*) filter (
            where amount_paid >= amount_due and paid_at < due_date + interval 1 day
        ) as installments_in_time,
        count(*) filter (
            where amount_paid >= amount_due and paid_at >= due_date + interval 1 day
        ) as installments_late,
        count(*) filter (where amount_paid < amount_due) as installments_open,
        sum(amount_due) as amount_due,
        sum(amount_paid) as amount_paid,
        coalesce(sum(late_fee), 0) as late_fees,
    from repayments
    inner join applications on repayments.application_id = applications.application_id
    where repayments.due_date is not null
    group by due_month, applications.loan_type_id

)

select
    concat(strftime(by_month.due_month, '%Y-%m'), '-', by_month.loan_type_id) as repayment_performance_id,
    by_month.due_month,
    by_month.loan_type_id,
    loan_types.loan_type_name,
    by_month.installments,
    by_month.installments_in_time,
    by_month.installments_late,
    by_month.installments_open,
    by_month.amount_due,
    by_month.amount_paid,
    by_month.late_fees,
    round(100 * by_month.installments_in_time / by_month.installments, 2)::decimal(5, 2) as in_time_percent,
from by_month
left join loan_types on by_month.loan_type_id = loan_types.loan_type_id
