"""`retention profile` against DuckDB's own SUMMARIZE, on a parquet file of twelve columns.

    python -m tests.bench.profiling                 a million rows
    python -m tests.bench.profiling --rows 10e6     the size for which the limits are meant

Both read the same file in turn, in one process, with the same threads; the figure is a ratio, so that it says the same
on any machine. The file has a column `churned`, so that profiling includes the associations with a target.
"""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

import duckdb

from .case import peak_mib, timed
from .commands import against_duckdb

LIMIT_RATIO, LIMIT_MIB = 2.5, 4096.0
LIMITED_ROWS = 10_000_000  # of fewer, what a profile costs however small the file weighs more
TABLE = """
    select
        i as order_id,
        'C' || lpad((hash(i * 7) % {customers})::varchar, 7, '0') as customer_id,
        timestamp '2022-01-01' + to_seconds((hash(i * 3) % 94608000)::bigint) as ordered_at,
        (hash(i * 5) % 9 + 1)::integer as quantity,
        round(exp(3 + ((hash(i * 11) % 2000) / 1000.0 - 1) * 1.5), 2) as unit_price,
        ((hash(i * 13) % 100000) / 100.0)::decimal(10, 2) as amount,
        ['GB', 'DE', 'FR', 'NL', 'SE', 'ES', 'IT', 'PL'][1 + (hash(i * 17) % 8)::int] as country,
        case when hash(i * 19) % 10 > 0 then ['web', 'app', 'shop'][1 + (hash(i * 23) % 3)::int] end as channel,
        'P' || (hash(i * 29) % 5000)::varchar as product_code,
        hash(i * 31) % 20 = 0 as churned,
        (hash(i * 37) % 1000000) / 1e6 as score,
        date '2022-01-01' + (hash(i * 41) % 1095)::int as shipped_on
    from range({rows}) as t(i)
"""


def make(path: Path, rows: int) -> None:
    """Write the file: a key, a customer, two times, numbers, texts, a truth value."""
    with duckdb.connect() as connection:
        query = TABLE.format(rows=rows, customers=max(rows // 50, 10))
        connection.execute(f"copy ({query}) to '{path}' (format parquet)")


def measure(folder: Path, rows: int, repeats: int) -> dict[str, Any]:
    """Seconds of both, their ratio, and the peak of memory in MiB.

    Parameters
    ----------
    folder : Path
        For the file.
    rows : int
        Of the file.
    repeats : int
        Runs of each, in turn.

    Returns
    -------
    dict
        rows, summarize_seconds, profile_seconds, ratio, peak_mib.
    """
    from python_ml.ingest import DataArgument, open_tables, scratch_connection
    from python_ml.leakage import find_leaks
    from python_ml.profile import profile_tables
    from python_ml.report.profile_page import save_profile

    path = folder / "orders.parquet"
    make(path, rows)

    def summarize() -> int:
        with scratch_connection() as connection:
            return len(connection.execute(f"summarize from read_parquet('{path}')").fetchall())

    def profile() -> int:
        with scratch_connection() as connection:
            tables = open_tables(connection, [DataArgument(path)])
            made = profile_tables(connection, tables, probe=find_leaks, activity=True)
        return sum(file.stat().st_size for file in save_profile(made, folder / "profile").values())

    theirs, ours = [], []
    for _ in range(repeats):
        theirs.append(timed(summarize))
        ours.append(timed(profile))
    theirs.append(timed(summarize))
    summarized, profiled = statistics.median(theirs), statistics.median(ours)
    return {
        "rows": rows,
        "summarize_seconds": summarized,
        "profile_seconds": profiled,
        "ratio": profiled / summarized,
        "peak_mib": peak_mib(),
    }


def main() -> None:
    """Measure and print; at full size, the exit code is 1 when a limit does not hold."""
    found = against_duckdb("profiling", __doc__, measure, repeats=1)
    print(
        f"{found['rows']:,} rows: SUMMARIZE {found['summarize_seconds']:.1f} s, "
        f"profile {found['profile_seconds']:.1f} s = {found['ratio']:.2f} times, peak {found['peak_mib']:,.0f} MiB"
    )
    is_limited = found["rows"] >= LIMITED_ROWS
    raise SystemExit(is_limited and (found["ratio"] > LIMIT_RATIO or found["peak_mib"] > LIMIT_MIB))


if __name__ == "__main__":
    main()
