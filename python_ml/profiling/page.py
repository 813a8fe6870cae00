"""Findings as one self-contained HTML page that loads nothing and runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.profiling import charts
from python_ml.reporting import charts as report_charts
from python_ml.reporting import pages, words
from python_ml.reporting.svg import NARROW, WIDE

if TYPE_CHECKING:
    from python_ml.profiling.schema import Column, File, Findings
    from python_ml.profiling.target_schema import Association, Segment, Segments, Target

TEMPLATES = Path(__file__).parent / "templates"
DRAWN = 150  # columns of a file that are drawn; findings.yaml has all
SHOWN_TOP, SHOWN_MISSING, SHOWN_ASSOCIATIONS = 6, 25, 30


def render_page(findings: Findings) -> str:
    """Render the profile.

    Parameters
    ----------
    findings : Findings

    Returns
    -------
    str
        An HTML page with its style and charts inline; it depends on ``findings`` alone. Every name and value is
        escaped, and the page's own policy forbids scripts and every load.
    """
    values = {
        "findings": findings,
        "relations": [charts.relations(findings, width) for width in (WIDE, NARROW)] if findings.links else [],
        "files": [_file(file, place) for place, file in enumerate(findings.files)],
    }
    filters = {"plain": charts.plain, "capitalize_first": lambda text: text[:1].upper() + text[1:]}
    return pages.render("profile.html.j2", values, folder=TEMPLATES, sheets=("profile.css",), filters=filters)


def _file(file: File, place: int) -> dict[str, Any]:
    """What the template needs of a file, drawings made."""
    course, lives = file.coverage, file.lifecycle
    gone = sorted((c for c in file.columns if c.missing), key=lambda c: (-c.missing_share, c.name))
    return {
        "id": f"file-{place}",
        "file": file,
        "coverage": [charts.coverage(course, width) for width in (WIDE, NARROW)] if course else [],
        "weekdays": charts.columns_of(course.weekdays, charts.DAY_NAMES, "Rows by weekday") if course else None,
        "months": charts.columns_of(course.calendar_months, charts.MONTH_NAMES, "Rows by calendar month")
        if course
        else None,
        "cohorts": [charts.cohorts(lives.cohorts, width) for width in (WIDE, NARROW)] if lives else [],
        "missing": [
            (c, report_charts.bar(c.missing_share, 1.0, "missing", c.name, 260.0)) for c in gone[:SHOWN_MISSING]
        ],
        "missing_rest": len(gone) - SHOWN_MISSING,
        "targets": [_target(target) for target in file.targets],
        "segments": [_segment(segment, file.segments) for segment in file.segments.segments] if file.segments else [],
        "columns": [_column(column) for column in file.columns[:DRAWN]],
        "columns_rest": len(file.columns) - DRAWN,
    }


def _target(target: Target) -> dict[str, Any]:
    return {
        "target": target,
        "rates": [charts.course_of_rate(target.by_time, width) for width in (WIDE, NARROW)]
        if len(target.by_time) > 1
        else [],
        "rows": [_association(found) for found in target.associations[:SHOWN_ASSOCIATIONS]],
        "rest": len(target.associations) - SHOWN_ASSOCIATIONS,
    }


def _association(found: Association) -> dict[str, Any]:
    kind = "subject" if not found.leak else "recency"
    estimate = None
    if found.auc is not None:
        estimate = words.Estimate(found.auc.value, found.auc.low, found.auc.high)
        drawing = report_charts.whisker(estimate, 0.0, 1.0, kind, f"AUC of {found.column}")
    else:
        drawing = report_charts.bar(found.cramers_v or 0.0, 1.0, kind, f"Cramer's V of {found.column}", 104.0)
    return {
        "found": found,
        "estimate": estimate,
        "drawing": drawing,
        "by_time": charts.course_of_association(found.by_time, found.column) if len(found.by_time) > 1 else None,
    }


def _segment(segment: Segment, found: Segments) -> dict[str, Any]:
    """A segment with its size and its rate drawn on the scale of all of them."""
    drawing, rate = None, segment.left
    if rate is not None:
        highest = max(other.left.high for other in found.segments if other.left)
        estimate = words.Estimate(rate.rate, rate.low, rate.high)
        drawing = report_charts.whisker(estimate, 0.0, max(highest, 0.01), "subject", f"segment {segment.number}")
    return {
        "segment": segment,
        "size": report_charts.bar(segment.share, 1.0, "quiet", f"segment {segment.number}", 104.0),
        "rate": drawing,
    }


def _column(column: Column) -> dict[str, Any]:
    """A column's facts in the order in which a reader wants them, with its drawing."""
    facts: list[tuple[str, str]] = []
    numbers, times, texts = column.numbers, column.times, column.texts
    if numbers and numbers.quantiles.get("p50") is not None:
        q = numbers.quantiles
        facts.append(("quartiles", " · ".join(charts.plain(q[name]) for name in ("p25", "p50", "p75"))))
        facts.append(("mean", f"{charts.plain(numbers.mean)} ± {charts.plain(numbers.deviation or 0)}"))
        if numbers.skew is not None:
            facts.append(("skew", words.decimal(numbers.skew, 1)))
        for name, count in (("zeros", numbers.zeros), ("negative", numbers.negatives)):
            if count:
                facts.append((name, f"{count:,} ({words.percent(count / numbers.readable)})"))
        outliers = (numbers.outliers_iqr, numbers.outliers_z, numbers.outliers_modified_z)
        if any(outliers):
            facts.append(("outliers", " · ".join(f"{count:,}" for count in outliers)))
    if times:
        facts.append(("span", f"{times.plausible_first or '–'} to {times.plausible_last or '–'}"))
        facts += [("written", ", ".join(times.formats))] if times.formats else []
        facts += [("order", times.order)] if times.order else []
        facts += [("after the data", f"{times.future:,}")] if times.future else []
    if texts and column.semantic in ("identifier", "text", "email", "phone", "personal"):
        facts.append(("letters", f"{texts.shortest:,} to {texts.longest:,}"))
        if texts.shapes:
            facts.append(("shapes", ", ".join(item.value for item in texts.shapes[:4])))
    if column.changes is not None:
        facts.append(("changes", f"for {words.percent(column.changes)} of the entities"))
    drawing = None
    if numbers and numbers.histogram:
        drawing = charts.histogram(numbers.histogram, column.name)
    longest = max((item.rows for item in column.top), default=1)
    return {
        "column": column,
        "facts": facts,
        "drawing": drawing,
        "top": [
            (item, report_charts.bar(item.rows, longest, "subject", item.value, 90.0))
            for item in column.top[:SHOWN_TOP]
        ],
    }
