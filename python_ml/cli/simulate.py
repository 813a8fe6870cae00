"""``retention simulate``: write a simulated subscription business with known churn risks."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from python_ml.cli.options import Console, json_option


@click.command("simulate")
@click.option("--customers", type=int, default=5_000, show_default=True, help="Number of customers who sign up.")
@click.option("--months", type=int, default=24, show_default=True, help="Length in calendar months.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same bytes.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="New or empty folder for the files.")
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%d"]),
    default="2024-01-01",
    show_default=True,
    help="First day, the first of a month.",
)
@click.option(
    "--format",
    "file_format",
    type=click.Choice(["csv", "parquet"]),
    default=None,
    show_default="csv; parquet from 50,000 customers on",
    help="Format of the files.",
)
@json_option
def command(
    customers: int, months: int, seed: int, out: Path, start: datetime, file_format: str | None, console: Console
) -> None:
    """Write a simulated subscription business with known churn risks.

    Customers sign up, order, complain, see prices rise and receive randomised offers. Each day they churn with a
    probability that depends on their recent behaviour. The data has the defects of real data: late, duplicate, missing
    and impossible values. The same arguments give the same bytes.

    Reads nothing. Writes to OUT one file per raw table, raw_sim__true_hazard (the true risk of each customer at the
    start of each month), raw_sim__true_uplift (what each offer changes) and world.yaml (the
    arguments, the hazard, and the number of defects of each kind).

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention simulate --out world
      retention simulate --customers 100000 --months 36 --seed 1 --out big_world
      retention simulate --customers 2000 --out world --format parquet --json
    """
    from python_ml.simulate import World, write_world

    world = World(customers=customers, months=months, seed=seed, start=start.date())

    def progress(done: int, rows: int) -> None:
        console.note(f"  {done:,} of {customers:,} customers, {rows:,} rows")

    with console.step(f"Simulating {customers:,} customers over {months} months"):
        manifest = write_world(world, out, file_format, progress)
    total = sum(manifest["rows"].values())
    console.result(
        f"{out}: {total:,} rows in {len(manifest['rows'])} tables, "
        f"known until {manifest['end']} (see {out / 'world.yaml'})",
        {"out": str(out), **manifest},
    )
