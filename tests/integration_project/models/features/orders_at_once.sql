-- grain: one row of the spine; what orders_daily has to come to
{{ orders_so_far() }}
