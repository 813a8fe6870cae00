"""``retention profile``: profile raw files, before anything is built on them."""

from __future__ import annotations

from pathlib import Path

import click

from python_ml.cli.options import Console, file_options, json_option


@click.command("profile")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@file_options
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
    outcome: str | None,
    positive: str | None,
    entity: str | None,
    time: str | None,
    day_first: bool | None,
    encoding: str | None,
    sheet: str | None,
    out: Path,
    console: Console,
) -> None:
    """Profile raw files: columns, keys, relations, timeline, customers.

    Each PATH is a file, or NAME=PATH; a sheet of an Excel file is PATH#SHEET. Values of personal columns (e-mail,
    phone, names) are counted but not shown.

    Reads the files in place, in a few passes. Writes OUT/findings.yaml, which can be compared between versions of the
    data, and OUT/index.html.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Examples:
      retention profile orders.csv
      retention profile accounts.csv usage.parquet --outcome churned
      retention profile export.csv.gz --entity cust_no --time created --out reports/profile --json
    """
    import json

    from python_ml.ingest import DataArgument, open_tables, scratch_connection
    from python_ml.leakage import find_leaks
    from python_ml.profile import check_output, profile_tables, summary, to_json
    from python_ml.report.profile_page import save_profile

    check_output(out)
    with console.step("Profiling"), scratch_connection() as connection:
        tables = open_tables(
            connection,
            [DataArgument.parse(path) for path in paths],
            encoding=encoding,
            sheet=sheet,
            day_first=day_first,
            times=(time,) if time else (),
            progress=console.progress,
        )
        profile = profile_tables(
            connection,
            tables,
            outcome=outcome,
            positive=positive,
            entity=entity,
            time=time,
            probe=find_leaks,
            activity=True,
            progress=console.progress,
        )
    with console.step("Writing the page"):
        written = save_profile(profile, out, hint="choose another folder with --out")
    files = {name: str(path) for name, path in written.items()}
    text = f"{summary(profile)}\n\nFindings: {files['findings']}\nPage:     {files['page']}"
    console.result(text, {"written": files, "profile": json.loads(to_json(profile))})
