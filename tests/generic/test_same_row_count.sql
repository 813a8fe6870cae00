{#- The model has as many rows as another: nothing was lost or multiplied on the way. -#}
{% test same_row_count(model, compare_to) %}

with

counts as (
    select
        (select count(*) from {{ model }}) as model_row_count,
        (select count(*) from {{ compare_to }}) as compared_row_count
)

select *
from counts
where model_row_count != compared_row_count

{% endtest %}
