"""Snapshots told on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
