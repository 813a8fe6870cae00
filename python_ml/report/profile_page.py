"""A profile as one self-contained HTML page that loads nothing and runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from python_ml.errors import UserError
from python_ml.files import write_text
from python_ml.profile.free_texts import named_languages
from python_ml.profile.notices import notices
from python_ml.profile.schema import Histogram, Profile, TableProfile
from python_ml.profile.storage import check_output, to_yaml
from python_ml.profile.tables import plain
from python_ml.report import page
from python_ml.report import profile_charts as charts

# Of each kind, how many the page shows; findings.yaml has all.
SHOWN = {"notices": 60, "associations": 30, "top": 6, "columns": 150, "names": 2_000}


def render_page(profile: Profile) -> str:
    """Render a profile as HTML.

    Returns
    -------
    str
        A page with its style and plots inline, which depends on ``profile`` alone. Every name and value is escaped,
        and the page's own policy forbids scripts and every load.
    """
    values = {
        "profile": profile,
        "notices": notices(profile),
        "tables": [_table(profile, table, place) for place, table in enumerate(profile.tables)],
        "shown": SHOWN,
        "histogram_bars": histogram_bars,
        "named_languages": named_languages,
        "plain": lambda number: "" if number is None else plain(number),
        "moment": lambda moment: str(moment).removesuffix(" 00:00:00"),
    }
    return page.render("profile", values)


def save_profile(profile: Profile, folder: Path, hint: str = "make the folder writable") -> dict[str, Path]:
    """Write ``findings.yaml`` and ``index.html`` into a folder, each in one step.

    Parameters
    ----------
    folder : Path
        Made when it is missing.
    hint : str
        What to do when it cannot be written to.

    Returns
    -------
    dict of str to Path
        ``findings`` and ``page``.

    Raises
    ------
    UserError
        When the folder cannot be written to, or holds files of these names that are not those of a profile.
    """
    written = {}
    check_output(folder)
    for kind, name, render in (("findings", "findings.yaml", to_yaml), ("page", "index.html", render_page)):
        written[kind] = folder / name
        try:
            write_text(written[kind], render(profile))
        except OSError as error:
            where = str(written[kind])
            raise UserError(f"The profile cannot be written: {error.strerror}.", where=where, hint=hint) from error
    return written


def _table(profile: Profile, table: TableProfile, place: int) -> dict[str, Any]:
    """What the template needs of a table, with its plots."""
    activity = profile.activities.get(table.name)
    segments = next((s for s in profile.segments if s.table == table.name), None)
    rated = [s.churned for s in segments.segments if s.churned] if segments else []
    outcomes = [outcome for outcome in profile.outcomes if outcome.table == table.name]
    name = f"t{place}"
    return {
        "id": f"table-{place}",
        "profile": table,
        "timeline": table.timeline and charts.timeline_chart(f"{name}-time", table.timeline),
        "activity": activity,
        "cohorts": activity and activity.cohorts and charts.cohort_chart(f"{name}-cohorts", activity.cohorts),
        "windows": activity and activity.occupied and charts.window_chart(f"{name}-windows", activity),
        "outcomes": [
            (o, o.associations and charts.association_chart(f"{name}-{n}", o.associations[: SHOWN["associations"]]))
            for n, o in enumerate(outcomes)
        ],
        "segments": segments,
        "segment_rates": charts.rate_chart(f"{name}-segments", rated) if len(rated) > 1 else "",
    }


def histogram_bars(histogram: Histogram) -> list[tuple[str, float, float, float]]:
    """Bars of a histogram, 230 by 48 pixels: what they stand for, left end, width and height.

    The bars at the ends hold what lies beyond the edges. A page has hundreds of histograms, which the template draws:
    matplotlib would take seconds for them.
    """
    low, high = histogram.edges[0], histogram.edges[-1]
    most = max([*histogram.counts, histogram.below, histogram.above, 1])
    left, right = 12.0 * bool(histogram.below), 230 - 12.0 * bool(histogram.above)
    scale = (right - left) / (high - low)
    bars = [(f"below {plain(low)}", 0.0, 9.0, histogram.below)]
    bars += [
        (f"{plain(a)} to {plain(b)}", left + (a - low) * scale, max((b - a) * scale - 1, 0.5), n)
        for a, b, n in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False)
    ]
    bars += [(f"above {plain(high)}", 220.0, 9.0, histogram.above)]
    return [
        (f"{text}: {n:,} rows", round(x, 1), round(width, 1), round(max(n / most * 48, 1.0), 1))
        for text, x, width, n in bars
        if n
    ]
