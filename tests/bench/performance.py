"""Estimated performance against the truth, in simulated cohorts.

    python -m tests.bench.performance
    python -m tests.bench.performance --periods 20

Prints in how many periods the figure that came true lies in the interval of its estimate, and the mean error. The exit
code is 1 when that is less than 90 % for the ROC AUC of quiet periods.
"""

from __future__ import annotations

from python_ml.formatting import aligned, percent
from tests.python.cohort_world import METRICS, coverage

from .commands import keep, parser

INSIDE = 0.9
WORLDS = {
    "quiet": {},
    "quiet, estimated by PAPE": {"reweighted": True},
    "quiet, 300 customers": {"customers": 300, "reference": 600},
    "quiet, model too optimistic": {"optimism": 0.7},
    "an input moves by 0.7, CBPE": {"shift": 0.7},
    "an input moves by 0.7, PAPE": {"shift": 0.7, "reweighted": True},
}


def main() -> None:
    """Simulate and print."""
    command = parser("performance", __doc__)
    command.add_argument("--periods", type=int, default=100, help="of each kind of cohort")
    chosen = command.parse_args()
    table = [("cohorts", *(f"{name} inside" for name in METRICS), "error of AUC", "error of churn rate")]
    found, failed = {}, False
    for name, world in WORLDS.items():
        inside, errors = coverage(chosen.periods, **world)
        found[name] = {"inside": inside, "mean_error": errors}
        failed |= name.startswith("quiet") and inside["roc_auc"] < INSIDE
        shares = (percent(inside[metric]) for metric in METRICS)
        table.append((name, *shares, f"{errors['roc_auc']:+.3f}", f"{errors['churn_rate']:+.3f}"))
    print(aligned(table))
    keep({"performance": found}, chosen.json)
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
