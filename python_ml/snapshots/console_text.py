"""Snapshots told on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from python_ml.snapshots.comparison import Rate, SnapshotComparison
    from python_ml.snapshots.distributions import Shift
    from python_ml.snapshots.record import Snapshot
    from python_ml.snapshots.store import Inventory

_HEADING = ("id", "cutoff", "rows", "columns", "churned", "created", "content", "state")


def created(snapshot: Snapshot) -> str:
    """Outcome of ``create``."""
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


def listed(inventory: Inventory, place: str) -> str:
    """Outcome of ``list``: a table, and the numbers that have no snapshot."""
    if not inventory.entries and not inventory.gone:
        return f"No snapshots yet in {place}. Make one with `retention snapshot create`."
    lines = [_HEADING]
    for entry in inventory.entries:
        found = entry.snapshot
        if found is None:
            lines.append((entry.id, *[""] * (len(_HEADING) - 2), f"NOT WHOLE: {entry.problem}"))
            continue
        lines.append(
            (
                entry.id,
                _cutoff(found) if found.cutoff else "none",
                f"{found.rows:,}",
                str(len(found.types)),
                f"{found.facts['summary']['base_rate']:.1%}",
                str(found.facts["created_at"])[:16].replace("T", " "),
                found.content_sha256[:12],
                "whole",
            )
        )
    text = table(lines) if inventory.entries else f"No snapshots in {place}."
    if inventory.gone:
        text += f"\n\nNumbers without a snapshot (deleted, or never finished): {', '.join(map(str, inventory.gone))}"
    return text


def table(lines: list[tuple[str, ...]]) -> str:
    """Lines of cells, one under the other."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cutoff(snapshot: Snapshot) -> str:
    return str(snapshot.cutoff).removesuffix(" 00:00:00")


def compared(found: SnapshotComparison, top: int) -> str:
    """Outcome of ``compare``."""
    before, after = found.before, found.after
    lines = [f"before  {_one_line(before)}", f"after   {_one_line(after)}", ""]
    if found.same_content:
        lines.append("content: the same, to the last value")
    lines += [
        f"rows: {found.rows_common:,} in both, {found.rows_added:,} new, {found.rows_removed:,} gone",
        f"churned: {_rate(found.rates[0])} before, {_rate(found.rates[1])} after {_rates_reading(found.rates)}",
    ]
    flips = [f"{count:,} from {change}" for change, count in found.labels_changed.items() if count]
    if flips:
        lines.append(f"labels changed in rows of both: {', '.join(flips)}")
    for name, values in found.definitions.items():
        lines.append(f"definition {name}: {values[0]} before, {values[1]} after")
    if found.code:
        lines.append(f"code: different ({', '.join(found.code)})")
    for what, names in (("new", found.columns_added), ("gone", found.columns_removed)):
        if names:
            lines.append(f"columns {what}: {', '.join(names)}")
    lines += [f"column {name}: {kinds[0]} before, {kinds[1]} after" for name, kinds in found.columns_retyped.items()]
    if found.cells_changed:
        worst = sorted(found.cells_changed.items(), key=lambda item: (-item[1], item[0]))
        shown = ", ".join(f"{name} ({count:,} rows)" for name, count in worst[:top])
        lines.append(f"values changed in rows of both: {shown}{_rest(len(worst), top)}")
    words = [shift.word for shift in found.shifts]
    lines += ["", "features: " + ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))]
    moved = [shift for shift in found.shifts if shift.word != "unchanged"]
    if moved:
        heading = ("feature", "PSI", "by chance", "KS", "nulls", "mean", "")
        lines.append(table([heading, *(_shift(shift) for shift in moved[:top])]) + _rest(len(moved), top))
    return "\n".join(lines)


def _one_line(snapshot: Snapshot) -> str:
    cutoff = f"cutoff {_cutoff(snapshot)}" if snapshot.cutoff else "no cutoff"
    return f"{snapshot.id}: {snapshot.rows:,} rows x {len(snapshot.types)} columns, {cutoff}"


def _rate(rate: Rate) -> str:
    return f"{rate.value:.1%} [{rate.low:.1%}, {rate.high:.1%}]"


def _rates_reading(rates: list[Rate]) -> str:
    apart = rates[0].high < rates[1].low or rates[1].high < rates[0].low
    return "(the intervals are apart: the label has shifted)" if apart else "(the intervals overlap)"


def _shift(shift: Shift) -> tuple[str, ...]:
    return (
        shift.column,
        f"{shift.psi:.3f}",
        f"{shift.psi_by_chance:.3f}",
        "" if shift.ks is None else f"{shift.ks:.3f}",
        f"{shift.nulls[0]:.1%} > {shift.nulls[1]:.1%}",
        f"{shift.mean[0]:.4g} > {shift.mean[1]:.4g}" if shift.mean else "",
        shift.word,
    )


def _rest(count: int, top: int) -> str:
    return f"\n… and {count - top} more (--top, or --json)" if count > top else ""
