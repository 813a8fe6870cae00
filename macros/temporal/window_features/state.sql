{#-
    Private: the state that `window_features` carries from one daily run to the next.

    The state of a row is what lies in the bucket `older` at its feature time T: of all events known before T, those that
    left the longest window before T. It depends on the entity, on T and on what was known before T alone, so it is the
    same whoever makes it, and a later run needs no event that did not matter at T or later.
-#}

{#- What a declaration carries, or why it cannot. -#}
{%- macro _declared_state(declaration, incremental) -%}
    {%- set has_windows_of_days = 'active_days' in declaration.rhythm or declaration.has_versions -%}
    {%- if not declaration.has_state -%}
        {{ return({'has_windows_of_days': has_windows_of_days, 'has_state_of_days': false, 'state': none}) }}
    {%- elif incremental == 'changed_rows' -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: with incremental='changed_rows' corrections change the past, and a state made of the past with it. Use 'new_rows', or leave carry_state out."
        ) }}
    {%- elif incremental != 'new_rows' -%}
        {{ exceptions.raise_compiler_error("carry_state: state is carried from run to run, so it needs incremental='new_rows'.") }}
    {%- elif declaration.has_versions -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: with superseded_at a state could hold versions that are superseded later, and cannot give them up. Leave carry_state or superseded_at out."
        ) }}
    {%- elif 'gap_stddev_days' in declaration.rhythm -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: `gap_stddev_days` cannot be carried, since an event that arrives late splits a gap of long ago. Take it out of rhythm (mean_gap_days of recency can be carried), or leave carry_state out."
        ) }}
    {%- endif -%}
    {%- set has_days = declaration.has_streaks or declaration.has_visits or ('active_days' in declaration.rhythm and declaration.has_all_time) -%}
    {%- set parts = [] -%}
    {%- for partial in declaration.partials if partial.carried -%}
        {%- do parts.append([partial.name, partial.aggregate]) -%}
    {%- endfor -%}
    {%- for measure in declaration.measures if measure.has_state -%}
        {%- do parts.append([measure.name ~ '__values', 'with occurrences' if measure.has_frequencies else 'alone']) -%}
    {%- endfor -%}
    {%- if has_days -%}
        {%- do parts.append(['days', 'UTC']) -%}
    {%- endif -%}
    {%- if not parts -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: nothing that is declared looks back beyond the longest window, " ~ declaration.bounded[-1].name ~ ", so there is nothing to carry. Leave carry_state out."
        ) }}
    {%- endif -%}
    {{ return({
        'has_windows_of_days': has_windows_of_days or has_days,
        'has_state_of_days': has_days,
        'state': 'of_' ~ local_md5(tojson([declaration.definition, parts]))[:8],
    }) }}
{%- endmacro -%}

{#- The declaration is in the type of the column, so that a state made by another one can never be read. -#}
{%- macro _check_state_of_table(declaration) -%}
    {%- set column = declaration.source ~ '_carried' -%}
    {%- set found = namespace(state=false) -%}
    {%- for existing in adapter.get_columns_in_relation(this) if existing.name | lower == column and declaration.state in existing.dtype | lower -%}
        {%- set found.state = true -%}
    {%- endfor -%}
    {%- if not found.state -%}
        {{ exceptions.raise_compiler_error(
            "carry_state: " ~ this ~ " has no `" ~ column ~ "` of this declaration: its rows were made by another one, or without state. Make them anew: dbt build --full-refresh --select "
            ~ model.name
        ) }}
    {%- endif -%}
{%- endmacro -%}

{#- Names of what a state is made of. -#}
{%- macro _state_fields(declaration) -%}
    {%- set fields = [] -%}
    {%- for partial in declaration.partials if partial.carried and partial.combine != 'or' -%}
        {%- do fields.append(partial.name) -%}
    {%- endfor -%}
    {%- for measure in declaration.measures if measure.has_state -%}
        {%- do fields.append(measure.name ~ '__values') -%}
    {%- endfor -%}
    {{ return(fields + (['days'] if declaration.has_state_of_days else [])) }}
{%- endmacro -%}

{#-
    The output column. Bits mean something in one run alone, since codes go by what is common at the time; so values are
    carried themselves.
-#}
{%- macro _state_column(declaration) -%}
    {%- set fields = {} -%}
    {%- for field in customer_retention._state_fields(declaration) -%}
        {%- do fields.update({field: 'cumulated.' ~ field ~ '__older'}) -%}
    {%- endfor -%}
    {%- for measure in declaration.measures if measure.has_state -%}
        {%- set values = measure.name ~ '__by_row.older_values' -%}
        {%- if measure.has_codes -%}
            {%- set values = customer_retention.coded_values(
                'cumulated.' ~ measure.name ~ '__bits__older', measure.name ~ '__listed_codes.codes', values
            ) -%}
        {%- endif -%}
        {%- do fields.update({measure.name ~ '__values': values}) -%}
    {%- endfor -%}
    {%- if declaration.has_state_of_days -%}
        {%- do fields.update({'days': 'older_days.days'}) -%}
    {%- endif -%}
    {{ return(customer_retention.struct_of({declaration.state: customer_retention.struct_of(fields)})) }}
{%- endmacro -%}
