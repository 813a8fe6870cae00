-- rows that are in one of the two tables alone
(
    select 'missing' as mistake, *
    from {{ ref('orders_at_once') }}
    except all
    select 'missing' as mistake, *
    from {{ ref('orders_daily') }}
)
union all
(
    select 'not expected' as mistake, *
    from {{ ref('orders_daily') }}
    except all
    select 'not expected' as mistake, *
    from {{ ref('orders_at_once') }}
)
