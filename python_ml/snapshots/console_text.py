"""Snapshots as text for the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from python_ml.formatting import aligned

if TYPE_CHECKING:
    from python_ml.snapshots.comparison import Rate, SnapshotComparison
    from python_ml.snapshots.distributions import Shift
    from python_ml.snapshots.record import Snapshot
    from python_ml.snapshots.store import Inventory

_HEADING = ("id", "cutoff", "rows", "columns", "churned", "created", "content", "state")


def creation_text(snapshot: Snapshot) -> str:
    """Result of ``create``."""
    summary = snapshot.facts["summary"]
    cutoff = (
        "no cutoff, as its rows have no dates" if snapshot.cutoff is None else f"labels known at {_cutoff(snapshot)}"
    )
    return (
        f"Snapshot {snapshot.id}: {snapshot.rows:,} rows of {summary['customers']:,} customers x "
        f"{len(snapshot.types)} columns, {summary['base_rate']:.1%} churned; {cutoff}\n"
        f"content SHA-256: {snapshot.content_sha256}\n"
        f"train on it with: retention train --snapshot {snapshot.number}"
    )


def inventory_text(inventory: Inventory, place: str) -> str:
    """Result of ``list``: a table, and the numbers without a snapshot."""
    if not inventory.entries and not inventory.numbers_without_snapshot:
        return f"No snapshots yet in {place}. Create one with `retention snapshot create`."
    lines = [_HEADING]
    for entry in inventory.entries:
        snapshot = entry.snapshot
        if snapshot is None:
            lines.append((entry.id, *[""] * (len(_HEADING) - 2), f"CHANGED: {entry.problem}"))
            continue
        lines.append(
            (
                entry.id,
                _cutoff(snapshot) if snapshot.cutoff else "none",
                f"{snapshot.rows:,}",
                str(len(snapshot.types)),
                f"{snapshot.facts['summary']['base_rate']:.1%}",
                str(snapshot.facts["created_at"])[:16].replace("T", " "),
                snapshot.content_sha256[:12],
                "intact",
            )
        )
    text = aligned(lines) if inventory.entries else f"No snapshots in {place}."
    if numbers := inventory.numbers_without_snapshot:
        text += f"\n\nNumbers without a snapshot (deleted, or never finished): {', '.join(map(str, numbers))}"
    return text


def _cutoff(snapshot: Snapshot) -> str:
    return str(snapshot.cutoff).removesuffix(" 00:00:00")


def comparison_text(result: SnapshotComparison, top: int) -> str:
    """Result of ``compare``."""
    before, after = result.before, result.after
    lines = [f"before  {_one_line(before)}", f"after   {_one_line(after)}", ""]
    if result.same_content:
        lines.append("content: identical")
    lines += [
        f"rows: {result.rows_common:,} in both, {result.rows_added:,} added, {result.rows_removed:,} removed",
        f"churned: {_rate(result.rates[0])} before, {_rate(result.rates[1])} after {_rates_reading(result.rates)}",
    ]
    flips = [f"{count:,} from {change}" for change, count in result.labels_changed.items() if count]
    if flips:
        lines.append(f"labels changed in rows of both: {', '.join(flips)}")
    for name, values in result.definitions.items():
        lines.append(f"definition {name}: {values[0]} before, {values[1]} after")
    if result.code:
        lines.append(f"code: different ({', '.join(result.code)})")
    for change, names in (("added", result.columns_added), ("removed", result.columns_removed)):
        if names:
            lines.append(f"columns {change}: {', '.join(names)}")
    lines += [f"column {name}: {kinds[0]} before, {kinds[1]} after" for name, kinds in result.columns_retyped.items()]
    if result.cells_changed:
        worst = sorted(result.cells_changed.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{name} ({count:,} rows)" for name, count in worst[:top])
        lines.append(f"values changed in rows of both: {shown}{_rest(len(worst), top)}")
    levels = Counter(shift.level for shift in result.shifts)
    lines += ["", "features: " + ", ".join(f"{count} {level}" for level, count in levels.items())]
    shifted = [shift for shift in result.shifts if shift.level != "unchanged"]
    if shifted:
        heading = ("feature", "PSI", "by chance", "KS", "nulls", "mean", "")
        lines.append(aligned([heading, *(_shift(shift) for shift in shifted[:top])]) + _rest(len(shifted), top))
    return "\n".join(lines)


def _one_line(snapshot: Snapshot) -> str:
    cutoff = f"cutoff {_cutoff(snapshot)}" if snapshot.cutoff else "no cutoff"
    return f"{snapshot.id}: {snapshot.rows:,} rows x {len(snapshot.types)} columns, {cutoff}"


def _rate(rate: Rate) -> str:
    return f"{rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}]"


def _rates_reading(rates: list[Rate]) -> str:
    apart = rates[0].high < rates[1].low or rates[1].high < rates[0].low
    return "(the intervals do not overlap: the label has shifted)" if apart else "(the intervals overlap)"


def _shift(shift: Shift) -> tuple[str, ...]:
    return (
        shift.column,
        f"{shift.psi:.3f}",
        f"{shift.psi_by_chance:.3f}",
        "" if shift.ks is None else f"{shift.ks:.3f}",
        f"{shift.nulls[0]:.1%} > {shift.nulls[1]:.1%}",
        f"{shift.mean[0]:.4g} > {shift.mean[1]:.4g}" if shift.mean else "",
        shift.level,
    )


def _rest(count: int, top: int) -> str:
    return f"\n… and {count - top} more (--top, or --json)" if count > top else ""
