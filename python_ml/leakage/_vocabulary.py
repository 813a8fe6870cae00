"""Words in column names that make a probe look closer. Names are hints: figures decide."""

from __future__ import annotations


def words_of(name: str) -> set[str]:
    """The words of a column's name, lower case."""
    from python_ml.names import name_parts

    return set(name_parts(name))


def _vocabulary(text: str) -> frozenset[str]:
    return frozenset(text.split())


IDENTIFIERS = _vocabulary("id ids no nr num number row rows index idx seq sequence key uuid guid hash record serial")
DEPARTURES = _vocabulary(
    "churn churned attrition attrited cancel cancelled canceled cancellation closed closing closure left leave leaver "
    "leaving terminated termination deactivated deactivation exited exit quit lapsed ended unsubscribed winback "
    "outcome lost retained retention end ends until expiry expired"
)
STATES = _vocabulary("status state reason stage flag active inactive")
# Aggregates that describe what lies before a feature time; a difference or a shifted window is none of them.
LOOKING_BACK = _vocabulary(
    "count sum mean min max variance stddev slope first last nunique mode entropy any all share days_since_last "
    "days_since_first mean_gap_days active_days gap_stddev_days last_gap_days median_gap_days longest_gap_days "
    "recency_per_mean_gap recency_per_longest_gap recency_per_tenure recency_zscore last_per_mean longest_streak_days "
    "current_streak_days"
)
