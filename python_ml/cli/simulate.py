"""``retention simulate``: write a subscription business whose truth is known."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from python_ml.cli.options import Console, json_option


@click.command()
@click.option("--customers", type=int, default=5_000, show_default=True, help="Customers who ever sign up.")
@click.option("--months", type=int, default=24, show_default=True, help="Length in calendar months.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same bytes.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
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
    """Write a subscription business whose truth is known.

    Customers sign up, order, complain, see prices rise and get randomised offers; each day they leave with a
    probability that depends on what they did lately. The files are as untidy as real ones (late, double,
    missing and impossible values); world.yaml counts every planted defect, and raw_sim__true_hazard holds the
    true risk of each customer at the start of each month.

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
