"""Cleaning that a person accepted, built by dbt: every value as computed by hand from the raw rows."""

from __future__ import annotations

import statistics
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from python_ml.generate.project import read_examination
from python_ml.plan import Recommendations
from tests.python.command_line import rows
from tests.python.generate.building import built
from tests.python.plan.planning import START, write_tables

HOW = ("none", "zero", "median", "mode", "constant", "forward_fill")
RULES = {
    "iqr": {"method": "iqr"},
    "zscore": {"method": "zscore", "factor": 2},
    "winsorize": {"method": "winsorize", "tails": 0.05},
    "bounds": {"method": "bounds", "low": 2, "high": 30},
}


def value(n: int) -> int:
    return (7 * n + n // 40) % 23


def raw_rows() -> list[dict]:
    """One event a day and customer in turn; every sixteenth value is missing, a few are huge."""
    made = []
    for n in range(1200):
        missing = n % 16 == 5
        row = {
            "customer_id": "guest" if n % 8 == 7 else f"C{n % 40}",
            "at": f"{START + timedelta(hours=8 * n):%Y-%m-%d %H:%M:%S}",
        }
        row |= {f"v_{how}": "" if missing else value(n) for how in HOW}
        row |= {f"o_{rule}": 5000 if n in (700, 1100) else value(n) + 1 for rule in RULES}
        row["ceiling"] = 9000 if n == 900 else value(n)
        row["channel"] = ("web", "Web", "shop", "N/A")[(n + n // 40) % 4]
        made.append(row)
    return [*made, *made[:3]]


def decide(recommendations: Recommendations) -> Recommendations:
    for how in HOW:
        more = {"value": 11} if how == "constant" else {}
        recommendations = recommendations.accept(name := f"bronze.events.impute.v_{how}").change(name, how=how, **more)
    for rule, parameters in RULES.items():
        name = f"bronze.events.outliers.o_{rule}"
        recommendations = recommendations.accept(name).change(name, **{"tails": None, **parameters})
    name = "bronze.events.outliers.ceiling"
    recommendations = recommendations.accept(name).change(
        name, method="bounds", high=100, tails=None, then="quarantine"
    )
    return recommendations.accept(
        "bronze.events.drop_copies.*", "bronze.events.fold_case.*", "bronze.events.null_values.*"
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cleaned")
    return built(folder / "shop", *write_tables(folder / "data", events=raw_rows()), decide=decide, horizon="30d")


@pytest.fixture(scope="module")
def kept(project) -> dict[int, dict]:
    """Rows of bronze by their number in the file."""
    names = [name for (name,) in rows(project, "select column_name from (describe bronze.brz_shop__events)")]
    time = next(name for name in names if name in ("at", "event_at"))
    made = [dict(zip(names, row, strict=True)) for row in rows(project, "from bronze.brz_shop__events")]
    return {round((row[time] - START) / timedelta(hours=8)): row for row in made}


@pytest.fixture(scope="module")
def before(project) -> date:
    """The day before which values are fitted."""
    columns = read_examination(project).profile.table("events").columns
    (day,) = {c.early.before for c in columns if c.early is not None}
    return day


def early(before: date, column: str) -> list[float]:
    """Values that may be known when something is fitted."""
    made = raw_rows()[:1200] + raw_rows()[1200:]
    return [float(r[column]) for r in made if r["at"] < str(before) and r[column] != ""]


def test_rows_are_quarantined_with_their_reason(project) -> None:
    counts = dict(rows(project, "select outcome, row_count from bronze.brz_row_counts"))
    guests = sum(n % 8 == 7 for n in range(1200))
    assert counts.pop("missing customer_id") == guests == 150
    assert counts.pop("exact copy") == 3
    assert counts.pop("ceiling out of range") == 1
    assert counts.pop("kept") == 1200 - 150 - 1
    assert not counts


def test_each_imputation(project, kept, before) -> None:
    missing = [n for n in kept if n % 16 == 5]
    assert len(missing) > 50
    fitted = early(before, "v_median")
    expected = {
        "zero": lambda n: 0,
        "median": lambda n: statistics.median(fitted),
        "mode": lambda n: max(set(fitted), key=lambda v: (fitted.count(v), -v)),
        "constant": lambda n: 11,
    }
    for how, make in expected.items():
        assert {float(kept[n][f"v_{how}"]) for n in missing} == {float(make(0))}, how
    assert {kept[n]["v_none"] for n in missing} == {None}
    for n in missing:
        own = [m for m in range(n % 40, n, 40) if m in kept and m % 16 != 5]
        assert kept[n]["v_forward_fill"] == (value(own[-1]) if own else None), n
    for n in set(kept) - set(missing):
        assert {kept[n][f"v_{how}"] for how in HOW} == {value(n)}


def test_each_rule_for_outliers(kept, before) -> None:
    values = np.array(early(before, "o_iqr"))
    p25, p75 = np.quantile(values, [0.25, 0.75])
    bounds = {
        "iqr": (p25 - 1.5 * (p75 - p25), p75 + 1.5 * (p75 - p25)),
        "zscore": (values.mean() - 2 * values.std(ddof=1), values.mean() + 2 * values.std(ddof=1)),
        "winsorize": tuple(np.quantile(values, [0.05, 0.95])),
        "bounds": (2, 30),
    }
    for rule, (low, high) in bounds.items():
        for n, row in kept.items():
            raw = 5000 if n in (700, 1100) else value(n) + 1
            assert abs(float(row[f"o_{rule}"]) - min(max(raw, low), high)) <= 0.51, (rule, n, low, high)
        assert float(kept[700][f"o_{rule}"]) < 60


def test_texts_are_folded_and_codes_are_missing(kept) -> None:
    assert {row["channel"] for row in kept.values()} == {"web", "shop", None}
    assert all(row["channel"] is None for n, row in kept.items() if (n + n // 40) % 4 == 3)
