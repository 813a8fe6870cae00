"""The cost curves as a picture: multiples of L against the number of dates and the number of windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from .bench import Row
from .declaration import WINDOWS
from .report import Parts

Points = list[tuple[float, float]]

WIDTH, HEIGHT = 820, 330
PANELS = ((60, 390), (600, 200))  # left edge and width
TOP, BOTTOM = 48, 270
COLOURS = {"ours": "#1d4ed8", "textbook": "#b91c1c", "pandas": "#a16207", "polars": "#0f766e"}
NAMES = {"ours": "window_features", "textbook": "textbook SQL", "pandas": "pandas", "polars": "polars"}


@dataclass(frozen=True)
class Panel:
    """One pair of axes; the vertical one is logarithmic when asked."""

    left: float
    width: float
    most_x: float
    low: float
    high: float
    logarithmic: bool

    def x(self, value: float) -> float:
        """Where a value lies from the left."""
        return self.left + self.width * value / self.most_x

    def y(self, value: float) -> float:
        """Where a value lies from above."""
        if self.logarithmic:
            share = math.log10(value / self.low) / math.log10(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return BOTTOM - (BOTTOM - TOP) * share

    def ticks(self) -> list[float]:
        """Values to mark on the vertical axis."""
        if self.logarithmic:
            decades = range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)
            return [10.0**decade for decade in decades]
        step = next(size for size in _steps() if self.high / size <= 6)
        return [step * i for i in range(int(self.high / step) + 1)]


def _steps() -> list[float]:
    return [lead * 10.0**power for power in range(-2, 6) for lead in (1, 2, 5)]


def draw(parts: Parts, file: Path) -> Path:
    """Draw both curves; the same measurements give the same bytes.

    Raises
    ------
    ValueError
        When the part `curve` has not been measured.
    """
    rows = [row for row in parts.get("curve", []) if row.get("in_floors")]
    if not rows:
        raise ValueError("nothing to draw: measure the part `curve` first (python -m tests.bench --only curve)")
    events = rows[0]["events"]
    full = len(WINDOWS)
    by_date = {"ours": [row for row in rows if row["windows"] == full]}
    for who in ("textbook", "pandas", "polars"):
        measured = parts.get("windows", []) + parts.get("frames", [])
        by_date[who] = [
            row
            for row in measured
            if row["who"] == who
            and row["events"] == events
            and row["events_per_customer"] == rows[0]["events_per_customer"]
            and row.get("in_floors")
        ]
    dates = max(row["dates"] for row in rows)
    windows = [row for row in rows if row["dates"] == min(12, dates)]
    pieces = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="system-ui, sans-serif" font-size="12" role="img">',
        f"<title>Cost of window_features at {events:,} events in multiples of L</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_panel(PANELS[0], {who: _points(group, "dates") for who, group in by_date.items() if group},
                "feature times of a customer", f"{full} windows, 101 features, {events:,} events",
                [1, 6, 12, 24, 36], logarithmic=True),
        *_panel(PANELS[1], {"ours": _points(windows, "windows")}, "windows",
                f"{min(12, dates)} feature times", [1, 2, 3, 4, 5, 6, 7], logarithmic=False),
        "</svg>",
    ]  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return file


def _points(rows: list[Row], along: str) -> Points:
    return sorted((row[along], row["in_floors"]) for row in rows)


def _panel(
    place: tuple[int, int], lines: dict[str, Points], along: str, title: str, marks: list[int], logarithmic: bool
) -> list[str]:
    left, width = place
    values = [y for points in lines.values() for _, y in points]
    low = 10.0 ** math.floor(math.log10(min(values))) if logarithmic else 0.0
    high = 10.0 ** math.ceil(math.log10(max(values))) if logarithmic else max(values) * 1.15
    panel = Panel(left, width, max(x for points in lines.values() for x, _ in points), low, high, logarithmic)
    pieces = [
        f'<text x="{left}" y="20" font-weight="600" fill="#111827">{title}</text>',
        f'<text x="{left}" y="37" fill="#4b5563">multiples of L</text>',
        f'<text x="{left + width / 2:.0f}" y="{BOTTOM + 38}" text-anchor="middle" fill="#4b5563">{along}</text>',
    ]
    for tick in panel.ticks():
        y = panel.y(tick)
        pieces += [
            f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#e5e7eb"/>',
            f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#4b5563">{tick:,.10g}</text>',
        ]
    for mark in (mark for mark in marks if mark <= panel.most_x):
        x = panel.x(mark)
        pieces.append(f'<text x="{x:.1f}" y="{BOTTOM + 18}" text-anchor="middle" fill="#4b5563">{mark}</text>')
    names_at = _apart({who: panel.y(points[-1][1]) for who, points in lines.items()})
    for who, points in lines.items():
        places = [(panel.x(x), panel.y(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        thickness = 2.5 if who == "ours" else 1.5
        pieces.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[who]}" stroke-width="{thickness}"/>')
        pieces += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[who]}"/>' for x, y in places]
        if len(lines) > 1:
            x, y = places[-1][0] + 8, names_at[who] + 4
            pieces.append(f'<text x="{x:.1f}" y="{y:.1f}" fill="{COLOURS[who]}">{NAMES[who]}</text>')
    return pieces


def _apart(heights: dict[str, float], least: float = 15.0) -> dict[str, float]:
    """The names' heights, moved down where they would lie on each other."""
    placed: dict[str, float] = {}
    for who, height in sorted(heights.items(), key=lambda item: item[1]):
        placed[who] = max(height, max(placed.values(), default=-least) + least)
    return placed
