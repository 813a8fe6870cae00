"""``retention profile``: what raw files hold, before anything is built on them."""

from __future__ import annotations

from pathlib import Path

import click

from python_ml.cli.options import Console, day_first_option, entity_option, json_option, time_option


@click.command("profile")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--target", metavar="COL", help="Column that says who left.  [default: the one that its name tells]")
@click.option("--positive", metavar="VALUE", help="Value of the target that means leaving.  [default: by its words]")
@entity_option
@time_option
@day_first_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("profile"),
    show_default=True,
    help="Folder for findings.yaml and index.html.",
)
@json_option
def command(
    paths: tuple[str, ...],
    target: str | None,
    positive: str | None,
    entity: str | None,
    time: str | None,
    day_first: bool | None,
    out: Path,
    console: Console,
) -> None:
    """Say what raw files hold: columns, rows, time, customers, target.

    Files are CSV (any delimiter, gzip or not) or parquet, each as PATH or NAME=PATH. They are measured where they
    lie, on DuckDB, in a few passes. Findings go to OUT/findings.yaml, for machines and for comparing, and to
    OUT/index.html, for people. Values of personal columns (e-mail, phone, names) are counted but not shown.

    \b
    Examples:
      retention profile orders.csv
      retention profile accounts.csv usage.parquet --target churned
      retention profile export.csv.gz --entity cust_no --time created --out reports/profile --json
    """
    from python_ml.onboarding.examination import DataArgument
    from python_ml.onboarding.reading import scratch_connection
    from python_ml.profiling import profile_files, save_profile, summarise

    with console.step("Profiling"), scratch_connection() as connection:
        findings = profile_files(
            connection,
            [DataArgument.parse(path) for path in paths],
            target=target,
            positive=positive,
            entity=entity,
            time=time,
            day_first=day_first,
            say=console.progress,
        )
    with console.step("Writing the report"):
        written = save_profile(findings, out, hint="choose another folder with --out")
    files = {name: str(path) for name, path in written.items()}
    text = f"{summarise(findings)}\n\nFindings: {files['findings']}\nReport:   {files['page']}"
    console.result(text, {"written": files, "findings": findings.model_dump(mode="json")})
