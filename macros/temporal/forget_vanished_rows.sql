{%- macro forget_vanished_rows(spine, entity) -%}
    {{ return(adapter.dispatch('forget_vanished_rows', 'customer_retention')(spine, entity)) }}
{%- endmacro -%}

{%- macro default__forget_vanished_rows(spine, entity) -%}
    {%- if is_incremental() -%}
        delete from {{ this }}
        where
            not exists (
                select 1
                from {{ spine }} as wanted
                where
                    wanted.{{ entity }} = {{ this.identifier }}.{{ entity }}
                    and wanted.feature_timestamp = {{ this.identifier }}.feature_timestamp
            )
    {%- endif -%}
{%- endmacro -%}
