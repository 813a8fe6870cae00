-- grain: one row of the spine, with what it was made from; `incremental='changed_rows'` makes a row anew when that is another
{{ orders_so_far(incremental='changed_rows') }}
