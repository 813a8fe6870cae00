{%- macro text_shift(text, components, recent, past='all_time') -%}
    {{ return(adapter.dispatch('text_shift', 'customer_retention')(text, components, recent, past)) }}
{%- endmacro -%}

{%- macro default__text_shift(text, components, recent, past) -%}
{%- set n_recent = text ~ '_characters_count_' ~ recent -%}
{%- set n_past = text ~ '_characters_count_' ~ past -%}
{%- set squares = [] -%}
{%- for number in range(1, components + 1) -%}
    {%- set mean = text ~ '_pc' ~ number ~ '_mean_' -%}
    {#- (recent mean - mean before) is (recent mean - mean of both) * n / (n - n recent) -#}
    {%- set square = 'power(' ~ mean ~ recent ~ ' - ' ~ mean ~ past ~ ', 2)' -%}
    {#- fewer components than columns may have been fitted, but never less than one -#}
    {%- do squares.append(square if loop.first else 'coalesce(' ~ square ~ ', 0)') -%}
{%- endfor -%}
case
    when {{ n_recent }} > 0 and {{ n_past }} > {{ n_recent }}
        then sqrt(
            {{ squares | join('\n            + ') }}
        ) * {{ n_past }} / ({{ n_past }} - {{ n_recent }})
end
{%- endmacro -%}
