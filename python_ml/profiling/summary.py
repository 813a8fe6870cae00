"""Findings as text for a terminal: each file in a few lines, then what to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from python_ml.names import comment_text

if TYPE_CHECKING:
    from python_ml.profiling.schema import Column, File, Findings
    from python_ml.profiling.target_schema import Target

MOST_COLUMNS, MOST_NOTES, MOST_ASSOCIATIONS = 40, 25, 8


def summarise(findings: Findings) -> str:
    """Write findings for a terminal; names and values are freed of control characters."""
    lines: list[str] = []
    for file in findings.files:
        lines += [*_file(file), ""]
    if findings.attention:
        lines.append("Look at:")
        for item in findings.attention[:MOST_NOTES]:
            place = f"{item.file}.{item.column}" if item.column else item.file
            lines.append(f"  {item.level:<8}  {comment_text(place)}: {comment_text(item.what)}")
        rest = len(findings.attention) - MOST_NOTES
        if rest > 0:
            lines.append(f"  and {rest:,} more in the report")
    else:
        lines.append("Nothing stands out.")
    return "\n".join(lines)


def _file(file: File) -> list[str]:
    lines = [f"{file.name}  ({comment_text(file.path)}): {file.rows:,} rows, {len(file.columns):,} columns"]
    lines.append(f"  rows       {comment_text(file.granularity.words)}")
    unique = [" + ".join(key.columns) for key in file.keys if key.unique]
    if unique:
        lines.append(f"  key        {comment_text(', '.join(unique[:4]))}")
    if file.coverage:
        course = file.coverage
        lines.append(f"  time       {course.first} to {course.last}; {course.trend_words}")
        lines.append(f"             {course.season_words}; {course.weekday_words}")
    if file.lifecycle:
        supported = [window.window for window in file.lifecycle.windows if window.supported]
        lines.append(f"  windows    {', '.join(supported) or 'none is supported by the rhythm of the data'}")
    if file.sampled_rows:
        lines.append(f"  sample     quantiles, shapes and associations come from {file.sampled_rows:,} rows")
    wide = max((len(comment_text(column.name)) for column in file.columns[:MOST_COLUMNS]), default=0)
    wide = min(wide, 30)
    for column in file.columns[:MOST_COLUMNS]:
        lines.append(f"    {comment_text(column.name)[:30]:<{wide}}  {column.semantic:<16}  {_column(column)}")
    if len(file.columns) > MOST_COLUMNS:
        lines.append(f"    and {len(file.columns) - MOST_COLUMNS:,} more columns in the report")
    for target in file.targets:
        lines += _target(target)
    return lines


def _column(column: Column) -> str:
    parts = [f"{column.missing_share:.1%} missing" if column.missing else "complete"]
    parts.append(f"{'' if column.distinct_exact else '~'}{column.distinct:,} different")
    if column.numbers and column.numbers.quantiles.get("p50") is not None:
        numbers = column.numbers
        low, middle, high = (numbers.minimum, numbers.quantiles["p50"], numbers.maximum)
        parts.append(f"{low:.6g} / {middle:.6g} / {high:.6g}")
    if column.times:
        parts.append(f"{column.times.plausible_first} to {column.times.plausible_last}")
    if column.top and column.semantic not in ("identifier", "text"):
        parts.append(", ".join(comment_text(item.value)[:20] for item in column.top[:3]))
    return "; ".join(parts)


def _target(target: Target) -> list[str]:
    rate, given = target.rate, "named" if target.given else "found by its name"
    lines = [
        f"  target     {comment_text(target.meaning)} (column {given}): {rate.value:.1%} of "
        f"{target.labelled_rows:,} rows; {target.capacity.words}"
    ]
    for found in target.associations[:MOST_ASSOCIATIONS]:
        if found.auc:
            figure = f"AUC {found.auc.value:.3f} ({found.auc.low:.3f} to {found.auc.high:.3f})"
        else:
            figure = f"Cramer's V {found.cramers_v:.3f}"
        lines.append(f"    {comment_text(found.column)[:30]:<30}  {figure}{'  LEAK?' if found.leak else ''}")
    return lines
