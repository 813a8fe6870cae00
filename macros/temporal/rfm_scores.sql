{%- macro rfm_scores(features, entity, recency, frequency, monetary, quantiles=5) -%}
    {{ return(adapter.dispatch('rfm_scores', 'customer_retention')(features, entity, recency, frequency, monetary, quantiles)) }}
{%- endmacro -%}

{%- macro default__rfm_scores(features, entity, recency, frequency, monetary, quantiles) -%}
{%- if quantiles is not number or quantiles < 2 or quantiles > 9 -%}
    {{ exceptions.raise_compiler_error("rfm_scores: `quantiles` must be a whole number from 2 to 9, not `" ~ quantiles ~ "`.") }}
{%- endif -%}
{#- What is better is ranked higher; a customer without a value ranks lowest. -#}
{%- set orders = {'recency': recency ~ ' desc nulls first', 'frequency': frequency ~ ' asc nulls first', 'monetary': monetary ~ ' asc nulls first'} -%}
with

-- the share of customers at the same feature time who do worse
ranked as (
    select
        {{ entity }},
        feature_timestamp
        {%- for score, order in orders.items() %},
        percent_rank() over (partition by feature_timestamp order by {{ order }}) as {{ score }}_rank
        {%- endfor %}
    from {{ features }}
),

scored as (
    select
        {{ entity }},
        feature_timestamp
        {%- for score in orders %},
        cast(least({{ quantiles }}, 1 + floor({{ quantiles }} * {{ score }}_rank)) as bigint) as rfm_{{ score }}_score
        {%- endfor %}
    from ranked
)

select
    *,
    100 * rfm_recency_score + 10 * rfm_frequency_score + rfm_monetary_score as rfm_score
from scored
{%- endmacro -%}
