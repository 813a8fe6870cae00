-- How many customers were at risk at each feature time, and how many of them left in the label window.
select
    feature_timestamp,
    count(*) as customers_at_risk,
    count(churned) as outcomes_known,
    sum(churned) as churned,
    round(avg(cast(churned as double)), 4) as churn_rate
from {{ ref('gld_churn_labels') }}
group by feature_timestamp
order by feature_timestamp
