"""Values that could not have been known: labels before features, and times after the feature time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from python_ml.leakage._context import ProbeContext
from python_ml.leakage._finding import CRITICAL, HIGH, Finding
from python_ml.leakage._statistics import column_auc

SINCE = "days_since"
PREDICTIVE = 0.70  # AUC from which a later time is taken to be that of the outcome


def probe(context: ProbeContext) -> Iterator[Finding]:
    """Check the order of times within rows."""
    if context.is_dated:
        yield from _early_labels(context)
        yield from _later_times(context)
        yield from _negative_ages(context)


def _early_labels(context: ProbeContext) -> Iterator[Finding]:
    # Supplied labels without a time of their own have the feature time; the split warns about that.
    early = int((context.ends < context.times).sum())
    if early:
        yield Finding(
            "label_order",
            CRITICAL,
            (),
            f"in {early:,} of {len(context.times):,} rows the outcome was known before the feature time: there "
            "is nothing to predict",
            {"rows": early, "of": len(context.times)},
            "check label_timestamp: it must lie after feature_timestamp",
        )


def _later_times(context: ProbeContext) -> Iterator[Finding]:
    """Registered features that are times, and lie at or after the feature time."""
    for name, days in context.dates.items():
        count = int((days >= context.times).sum())
        if not count:
            continue
        ahead = np.where(np.isfinite(days), days - context.times, np.nan)
        alone, _ = column_auc(ahead, context.churned, context.entities, context.half)
        predictive = context.has_enough and alone.low >= PREDICTIVE
        yield Finding(
            "future_time",
            CRITICAL if predictive else HIGH,
            (name,),
            f"in {count:,} of {len(days):,} rows it lies at or after the feature time"
            + (f", and how far ahead ranks churned customers with an AUC of {alone}" if predictive else ""),
            {"future_rows": count, "auc": alone.value},
            "use only what was known before the feature time (`visible`), or exclude it",
        )


def _negative_ages(context: ProbeContext) -> Iterator[Finding]:
    """Days since something that had not happened yet."""
    for name in context.names:
        feature, values = context.registry.get(name), context.values_of(name)
        declared = feature is not None and (feature.aggregate or "").startswith(SINCE)
        if not (declared or SINCE in name) or values.dtype.kind != "f":
            continue
        negative = values < 0
        count = int(negative.sum())
        if not count:
            continue
        rate = float(context.churned[negative].mean())
        yield Finding(
            "future_time",
            CRITICAL,
            (name,),
            f"in {count:,} rows it is negative (down to {np.nanmin(values):g}): it counts the days since something "
            f"that had not happened yet; {rate:.1%} of these churned, against {context.churned.mean():.1%} of all",
            {"future_rows": count, "future_churn_rate": round(rate, 4)},
            "join only rows that were visible before the feature time (`visible`, `window_features`)",
        )
