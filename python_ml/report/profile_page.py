"""A profile as one self-contained HTML page that loads nothing and runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from python_ml.errors import UserError
from python_ml.files import write_text
from python_ml.profile.notices import notices
from python_ml.profile.schema import Histogram, Profile, TableProfile
from python_ml.profile.storage import check_output, to_yaml
from python_ml.profile.tables import plain
from python_ml.report import profile_charts

TEMPLATES = Path(__file__).parent / "templates"
DRAWN, LISTED = 150, 2_000  # columns of a table with a plot, and in the list of names; findings.yaml has all
SHOWN = {"notices": 60, "associations": 30, "top": 6}
# Names and values may hold anything: what HTML forbids in text, and marks that turn the direction of all text after.
_FORBIDDEN = dict.fromkeys(
    (*range(9), 11, 12, *range(14, 32), 127, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFFFE, 0xFFFF)
)


def render_page(profile: Profile) -> str:
    """Render a profile as HTML.

    Returns
    -------
    str
        A page with its style and plots inline, which depends on ``profile`` alone. Every name and value is escaped,
        and the page's own policy forbids scripts and every load.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda number: f"{number:,}",
        "percent": lambda share: f"{share:.1%}",
        "plain": lambda number: "" if number is None else plain(number),
        "moment": lambda moment: str(moment).removesuffix(" 00:00:00"),
        "bars": _bars,
    }
    return (
        environment.get_template("profile.html.j2")
        .render(
            profile=profile,
            notices=notices(profile),
            tables=[_table(profile, table, place) for place, table in enumerate(profile.tables)],
            style=(TEMPLATES / "profile.css").read_text(encoding="utf-8"),
            shown=SHOWN,
            listed=LISTED,
        )
        .translate(_FORBIDDEN)
    )


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
    outcomes = [o for o in profile.outcomes if o.table == table.name]
    segments = next((s for s in profile.segments if s.table == table.name), None)
    rated = [s.churned for s in segments.segments if s.churned] if segments else []
    first = f"t{place}"
    return {
        "id": f"table-{place}",
        "profile": table,
        "relations": [r for r in profile.relations if table.name in (r.child, r.parent)],
        "timeline": profile_charts.timeline(table.timeline, f"{first}-time") if table.timeline else "",
        "activity": activity,
        "cohorts": profile_charts.cohorts(activity.cohorts, f"{first}-cohorts")
        if activity and activity.cohorts
        else "",
        "occupied": profile_charts.occupied(activity, f"{first}-windows") if activity and activity.occupied else "",
        "outcomes": [
            (
                o,
                profile_charts.associations(o.associations[: SHOWN["associations"]], f"{first}-o{n}")
                if o.associations
                else "",
            )
            for n, o in enumerate(outcomes)
        ],
        "segments": segments,
        "segment_rates": profile_charts.rates(rated, f"{first}-segments") if len(rated) > 1 else "",
        "drawn": table.columns[:DRAWN],
        "rest": table.columns[DRAWN:],
    }


def _bars(
    histogram: Histogram, width: float = 230.0, height: float = 48.0
) -> list[tuple[float, float, float, float, str]]:
    """Bars of a histogram: x, y, width, height, and what they stand for; the ends hold what lies beyond."""
    low, high = histogram.edges[0], histogram.edges[-1]
    counts = [(a, b, n) for a, b, n in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False)]
    most = max([*histogram.counts, histogram.below, histogram.above, 1])
    left, right = 12.0 * bool(histogram.below), width - 12.0 * bool(histogram.above)
    scale = (right - left) / (high - low)
    bars = [
        (left + (a - low) * scale, (b - a) * scale - 1, n, f"{plain(a)} to {plain(b)}: {n:,} rows")
        for a, b, n in counts
    ]
    bars += [(0.0, 9.0, histogram.below, f"below {plain(low)}: {histogram.below:,} rows")] * bool(histogram.below)
    bars += [(width - 10, 9.0, histogram.above, f"above {plain(high)}: {histogram.above:,} rows")] * bool(
        histogram.above
    )
    tall = [(x, w, max(n / most * height, 1.0), text) for x, w, n, text in bars if n]
    return [(round(x, 1), round(height - h, 1), round(max(w, 0.5), 1), round(h, 1), text) for x, w, h, text in tall]
