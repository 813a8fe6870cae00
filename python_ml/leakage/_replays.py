"""Evidence from replays: columns and rows that come out differently from data cut off at the feature time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_ml.leakage._context import ProbeContext, is_window
from python_ml.leakage._finding import CRITICAL, INFO, Finding

if TYPE_CHECKING:
    from python_ml.dbt import Feature


@dataclass(frozen=True)
class StoredReplay:
    """Result of a replay of features that have not changed since.

    Attributes
    ----------
    as_of : str
        The feature time.
    rows, missing, unexpected : int
        Stored rows of that time, those that the replay did not rebuild, and those that only the replay built.
    differing : dict of str to int
        Columns with unequal values, and in how many rows.
    """

    as_of: str
    rows: int
    missing: int = 0
    unexpected: int = 0
    differing: dict[str, int] = field(default_factory=dict)

    @property
    def identical(self) -> bool:
        """Whether the replay rebuilt exactly the stored rows."""
        return not (self.missing or self.unexpected or self.differing)


def probe(context: ProbeContext, replays: Sequence[StoredReplay]) -> Iterator[Finding]:
    """Report what the replays of a training set differ in."""
    for replay in replays:
        for name, rows in sorted(replay.differing.items()):
            if name in context.names or name in context.dates:
                yield Finding(
                    "replay",
                    CRITICAL,
                    (name,),
                    f"rebuilt from what was known before {replay.as_of}, {rows:,} of {replay.rows:,} rows have other "
                    "values",
                    {"replayed_rows": replay.rows, "differing_rows": rows, "as_of": replay.as_of},
                    "look upstream for a join or filter that reads rows known at or after the feature time; then run "
                    "`retention build` and `retention replay`",
                )
        if replay.missing or replay.unexpected:
            yield Finding(
                "replay_population",
                CRITICAL,
                (),
                f"rebuilt from what was known before {replay.as_of}, {replay.missing:,} rows are missing and "
                f"{replay.unexpected:,} are new: who is at risk depends on the future",
                {"as_of": replay.as_of, "missing": replay.missing, "unexpected": replay.unexpected},
                "decide who is at risk from visible rows alone (`spine`)",
            )
    identical = [replay.as_of for replay in replays if replay.identical]
    if identical:
        yield Finding(
            "replay_identical",
            INFO,
            (),
            f"{len(identical)} feature time(s) were rebuilt from what was known then, with identical values: "
            + ", ".join(identical[:5]),
            {"as_of": identical},
            "nothing",
        )


def proven(features: Iterable[Feature], replays: Sequence[StoredReplay]) -> set[str]:
    """Features over windows of dated rows that every stored replay rebuilt exactly, with the same customers at risk.

    Parameters
    ----------
    features : iterable of Feature
        The registry.
    replays : sequence of StoredReplay
        Without any, nothing is proven.
    """
    if not replays or any(replay.missing or replay.unexpected for replay in replays):
        return set()
    return replayable(features) - {name for replay in replays for name in replay.differing}


def replayable(features: Iterable[Feature]) -> set[str]:
    """Features over windows of dated rows, which a replay can rebuild."""
    undated = (None, "", "snapshot", "as_of")  # a replay does not cut off what has no time
    return {f.name for f in features if f.role == "feature" and (f.window not in undated or is_window(f))}
