-- Why `account_closed_reason` is not a feature: today's value of the column "predicts" the churn of any day in the past.
select
    customers.account_closed_reason is not null as has_closing_reason,
    count(*) as labelled_rows,
    round(avg(cast(labels.churned as double)), 4) as churn_rate
from {{ ref('gld_churn_labels') }} as labels
inner join {{ ref('brz_app__customers') }} as customers
    on labels.customer_id = customers.customer_id
where labels.churned is not null
group by 1
order by 1
