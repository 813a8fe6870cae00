{#- Private: windows from short to long, each with its index, name and microseconds (none for all_time). -#}
{%- macro _sorted_windows(windows, argument='windows') -%}
    {%- if windows is string or windows is mapping or not windows -%}
        {{ exceptions.raise_compiler_error(argument ~ ": give a list such as ['7d', '30d', 'all_time'], not `" ~ windows ~ "`.") }}
    {%- endif -%}
    {%- if windows | unique | list | length != windows | length -%}
        {{ exceptions.raise_compiler_error(argument ~ ": a window stands twice in [" ~ windows | join(', ') ~ "].") }}
    {%- endif -%}
    {%- set lengths = [] -%}
    {%- for window in windows if window != 'all_time' -%}
        {%- do lengths.append({'us': customer_retention.duration_us(window, argument), 'name': window}) -%}
    {%- endfor -%}
    {%- if lengths | map(attribute='us') | unique | list | length != lengths | length or 0 in lengths | map(attribute='us') -%}
        {{ exceptions.raise_compiler_error(
            argument ~ ": windows must have different lengths above zero, not [" ~ windows | join(', ') ~ "]."
        ) }}
    {%- endif -%}
    {%- set sorted = [] -%}
    {%- for window in lengths | sort(attribute='us') -%}
        {%- do sorted.append({'index': loop.index, 'name': window.name, 'us': window.us}) -%}
    {%- endfor -%}
    {%- if 'all_time' in windows -%}
        {%- do sorted.append({'index': sorted | length + 1, 'name': 'all_time', 'us': none}) -%}
    {%- endif -%}
    {{ return(sorted) }}
{%- endmacro -%}
