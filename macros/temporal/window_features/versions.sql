{#-
    Private: versions of a row in `window_features`. A version is visible from the first feature time after it was known up to
    the time at which a newer one is known, which is `superseded_us`; the newest version has the greatest integer there.
-#}

{%- macro _superseded_us(superseded_at) -%}
    coalesce({{ customer_retention.epoch_us(superseded_at) }}, 9223372036854775807)
{%- endmacro -%}

{#- A further condition of the join from events to feature times. -#}
{%- macro _not_superseded(declaration, events) -%}
    {%- if declaration.has_versions %}
            and spine_rows.as_of_us <= {{ events }}.superseded_us
    {%- endif %}
{%- endmacro -%}

{#-
    The bucket of a pair. What has become too old is carried along, and could not be taken out of the totals again; so a
    version that will be superseded is paired with every feature time that sees it, in a bucket behind `older`.
-#}
{%- macro _bucket_of_pair(declaration) -%}
    {{ customer_retention._bucket(declaration, 'ordered_events.event_us', 'spine_rows.as_of_us') }}
    {%- if declaration.has_versions and declaration.carries %}
        + cast(
            ordered_events.superseded_us < 9223372036854775807
            {%- if declaration.longest_us is not none %}
            and ordered_events.event_us < spine_rows.as_of_us - {{ declaration.longest_us }}
            {%- endif %}
            as tinyint
        )
    {%- endif %}
{%- endmacro -%}

{#- From when on an event is carried, for the join to feature times. -#}
{%- macro _carried_from(declaration) -%}
    {%- if declaration.has_versions -%}
        case
            when timed_events.superseded_us < 9223372036854775807 then timed_events.superseded_us
            else {{ customer_retention._matters_until(declaration) }}
        end
    {%- else -%}
        {{ customer_retention._matters_until(declaration) }}
    {%- endif -%}
{%- endmacro -%}

{#- Versions that have been superseded, as negative entries at the first feature time that no longer sees them. -#}
{%- macro _withdrawn_changes(declaration) -%}
    select
        wanted_rows.row_id,
        -timed_changes.fingerprint as fingerprint
    from timed_changes
    inner join wanted_rows
        on
            timed_changes.{{ declaration.entity }} = wanted_rows.{{ declaration.entity }}
            and timed_changes.superseded_us < wanted_rows.as_of_us
            and timed_changes.superseded_us >= wanted_rows.previous_us
{%- endmacro -%}
