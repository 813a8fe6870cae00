-- grain: one row of [[ source.events if source.has_events else source.name ]], with length and components of its [[ source.texts | map(attribute='title') | list | listed ]]
[%- if source.texts | length == 1 %]
[%- set text = source.texts[0] %]
{{ customer_retention.with_text(
    rows=ref('[[ plan.model(source) ]]'),
    texts='[[ text.model(source.name) ]]',
    column='[[ text.column ]]',
    components=[[ text.components ]],
) }}
[%- else %]
with
[% for text in source.texts %]
[[ steps[loop.index0] ]] as (
    {{ customer_retention.with_text(
        rows=[[ "ref('" ~ plan.model(source) ~ "')" if loop.first else "'" ~ steps[loop.index0 - 1] ~ "'" ]],
        texts='[[ text.model(source.name) ]]',
        column='[[ text.column ]]',
        components=[[ text.components ]],
    ) | indent(4) }}
),
[% endfor %]
final as (
    select * from [[ steps[-1] ]]
)

select * from final
[%- endif %]
