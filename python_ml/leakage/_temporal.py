"""Values that could not have been known: labels before features, times to come, features that a replay unmade."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from python_ml.leakage._finding import CRITICAL, HIGH, INFO, Finding
from python_ml.leakage._statistics import power
from python_ml.leakage._subject import Subject

if TYPE_CHECKING:
    from python_ml.leakage._evidence import StoredReplay

SINCE = "days_since"
TELLING = 0.70  # AUC from which on a time of the future is taken to be that of the outcome


def probe(subject: Subject, replays: Sequence[StoredReplay] = ()) -> Iterator[Finding]:
    """Look at the order of times within rows, and at what replays have shown."""
    if subject.is_dated:
        yield from _label_order(subject)
        yield from _times_to_come(subject)
        yield from _negative_ages(subject)
    yield from _replayed(subject, replays)


def _label_order(subject: Subject) -> Iterator[Finding]:
    # Supplied labels without a time of their own carry the feature time; the split warns of that.
    early = int((subject.ends < subject.times).sum())
    if early:
        yield Finding(
            "label_order",
            CRITICAL,
            (),
            f"in {early:,} of {len(subject.times):,} rows the outcome was known before the feature time: there "
            "is nothing to foresee",
            {"rows": early, "of": len(subject.times)},
            "check label_timestamp: it must lie after feature_timestamp",
        )


def _times_to_come(subject: Subject) -> Iterator[Finding]:
    """Registered features that are times, and lie at or after the feature time."""
    for name, days in subject.dates.items():
        later = days >= subject.times
        count = int(later.sum())
        if not count:
            continue
        ahead = np.where(np.isfinite(days), days - subject.times, np.nan)
        alone, _ = power(ahead, subject.churned, subject.entities, half=subject.half)
        knows = subject.has_enough and alone.low >= TELLING
        yield Finding(
            "future_time",
            CRITICAL if knows else HIGH,
            (name,),
            f"in {count:,} of {len(days):,} rows it lies at or after the feature time"
            + (f", and how far ahead ranks churned customers with an AUC of {alone.text}" if knows else ""),
            {"future_rows": count, "auc": alone.value},
            "take only what was known before the feature time (`visible`), or leave it out",
        )


def _negative_ages(subject: Subject) -> Iterator[Finding]:
    """Days since something that had not happened yet."""
    for name in subject.names:
        feature = subject.registry.get(name)
        declared = feature is not None and (feature.aggregate or "").startswith(SINCE)
        if not declared and SINCE not in name:
            continue
        values = subject.values_of(name)
        if values.dtype.kind != "f":
            continue
        negative = values < 0
        count = int(negative.sum())
        if not count:
            continue
        rate = float(subject.churned[negative].mean())
        yield Finding(
            "future_time",
            CRITICAL,
            (name,),
            f"in {count:,} rows it is negative (down to {np.nanmin(values):g}): it counts the days since something "
            f"that had not happened yet; {rate:.1%} of these churned, against {subject.churned.mean():.1%} of all",
            {"future_rows": count, "future_churn_rate": round(rate, 4)},
            "join only rows that were visible before the feature time (`visible`, `window_features`)",
        )


def _replayed(subject: Subject, replays: Sequence[StoredReplay]) -> Iterator[Finding]:
    for replay in replays:
        for name, rows in sorted(replay.differing.items()):
            if name in subject.names or name in subject.dates:
                yield Finding(
                    "replay",
                    CRITICAL,
                    (name,),
                    f"rebuilt from what was known before {replay.as_of}, {rows:,} of {replay.rows:,} rows come out "
                    "otherwise",
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
    same = [replay for replay in replays if replay.identical]
    if same:
        yield Finding(
            "replay_identical",
            INFO,
            (),
            f"{len(same)} feature time(s) were rebuilt from what was known then, value for value: "
            + ", ".join(replay.as_of for replay in same[:5]),
            {"as_of": [replay.as_of for replay in same]},
            "nothing",
        )
