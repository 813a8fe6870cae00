"""Associations with a target: figures against independent ones, leaks found, chance told from signal."""

from __future__ import annotations

import random
from collections import defaultdict

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from python_ml.errors import UserError
from tests.python.test_profile import profiled, table


def draws(rows: int, seed: int = 3) -> tuple[list[float], list[int]]:
    """Values with ties, and labels that go together with them a little."""
    draw = random.Random(seed)
    labels = [int(draw.random() < 0.3) for _ in range(rows)]
    return [round(draw.gauss(0.6 * label, 1), 1) for label in labels], labels


def clustered_auc(values, labels, clusters) -> tuple[float, float]:
    """AUC and its standard error over clusters, pair by pair as in Obuchowski (1997)."""
    positives = [(v, c) for v, y, c in zip(values, labels, clusters, strict=True) if y]
    negatives = [(v, c) for v, y, c in zip(values, labels, clusters, strict=True) if not y]
    m, k = len(positives), len(negatives)

    def wins(a, b):
        return 1.0 if a > b else 0.5 if a == b else 0.0

    v10 = [sum(wins(p, n) for n, _ in negatives) / k for p, _ in positives]
    v01 = [sum(wins(p, n) for p, _ in positives) / m for n, _ in negatives]
    auc = sum(v10) / m
    tens, ones, ids = defaultdict(float), defaultdict(float), sorted(set(clusters))
    for (_, c), v in zip(positives, v10, strict=True):
        tens[c] += v - auc
    for (_, c), v in zip(negatives, v01, strict=True):
        ones[c] += v - auc
    with_positive, with_negative = len({c for _, c in positives}), len({c for _, c in negatives})
    s10 = with_positive / ((with_positive - 1) * m) * sum(v * v for v in tens.values())
    s01 = with_negative / ((with_negative - 1) * k) * sum(v * v for v in ones.values())
    s11 = len(ids) / (len(ids) - 1) * sum(tens[c] * ones[c] for c in ids)
    return auc, (s10 / m + s01 / k + 2 * s11 / (m * k)) ** 0.5


def logit_interval(auc: float, error: float) -> tuple[float, float]:
    """The interval on the logit scale, back as an AUC."""
    middle, reach = np.log(auc / (1 - auc)), 1.959964 * error / (auc * (1 - auc))
    return tuple(float(1 / (1 + np.exp(-x))) for x in (middle - reach, middle + reach))


def association_of(findings, column):
    """The association of a column with the first target of the first file."""
    return next(a for a in findings.files[0].targets[0].associations if a.column == column)


class TestFigures:
    def test_auc_and_its_interval(self, tmp_path):
        values, labels = draws(600)
        path = table(tmp_path / "t.csv", 600, id=lambda n: f"C{n}", v=lambda n: values[n], churned=lambda n: labels[n])
        found = association_of(profiled(path), "v").auc
        assert found.value == pytest.approx(roc_auc_score(labels, values), abs=1e-6)
        auc, error = clustered_auc(values, labels, range(600))
        assert (found.low, found.high) == pytest.approx(logit_interval(auc, error), abs=1e-5)

    def test_rows_of_one_customer_do_not_count_twice(self, tmp_path):
        values, labels = draws(200)
        customers = [n % 200 for n in range(1000)]
        path = table(
            tmp_path / "t.csv",
            1000,
            customer_id=lambda n: f"C{n % 200}",
            v=lambda n: values[n % 200],
            churned=lambda n: labels[n % 200],
        )
        findings = profiled(path, entity="customer_id")
        found = association_of(findings, "v").auc
        assert findings.files[0].targets[0].clustered_by == "customer_id"
        auc, error = clustered_auc(values * 5, labels * 5, customers)
        assert (found.value, found.low, found.high) == pytest.approx((auc, *logit_interval(auc, error)), abs=1e-5)
        # Five copies of each row tell as much as one.
        _, once = clustered_auc(values, labels, range(200))
        assert error == pytest.approx(once, rel=0.02)

    def test_cramers_v_and_rates(self, tmp_path):
        path = table(
            tmp_path / "t.csv",
            1200,
            id=lambda n: f"C{n}",
            plan=lambda n: "abc"[n % 3],
            noise=lambda n: "wxyz"[n // 12 % 4],
            churned=lambda n: int(n % 3 == 0 or n % 12 == 1),
        )
        findings = profiled(path)
        plan = association_of(findings, "plan")
        assert {rate.value: rate.rate for rate in plan.rates} == {"a": 1.0, "b": 0.25, "c": 0.0}
        assert plan.cramers_v > 0.8
        # What goes together with nothing beyond chance is 0, not a little.
        assert association_of(findings, "noise").cramers_v == 0

    def test_by_time(self, tmp_path):
        from datetime import date, timedelta

        draw = random.Random(1)
        labels = [int(draw.random() < 0.5) for _ in range(1200)]
        path = table(
            tmp_path / "t.csv",
            1200,
            customer_id=lambda n: f"C{n}",
            signup_date=lambda n: date(2023, 1, 1) + timedelta(days=n // 4),
            # The sign of the association turns in the middle.
            v=lambda n: round((1 if n < 600 else -1) * labels[n] + draw.gauss(0, 0.5), 3),
            churned=lambda n: labels[n],
        )
        found = association_of(profiled(path), "v")
        assert len(found.by_time) >= 8
        assert found.by_time[0].auc.value > 0.9
        assert found.by_time[-1].auc.value < 0.1
        assert 0.4 < found.auc.value < 0.6


class TestJudgement:
    def test_a_leak_is_named_with_evidence(self, tmp_path):
        draw = random.Random(2)
        path = table(
            tmp_path / "t.csv",
            800,
            id=lambda n: f"C{n}",
            mails=lambda n: 0 if n % 4 == 0 else draw.randrange(20, 60),
            age=lambda n: draw.randrange(20, 60),
            churned=lambda n: int(n % 4 == 0),
        )
        findings = profiled(path, target="churned")
        leak = next(item for item in findings.attention if item.topic == "leak")
        assert (leak.level, leak.column) == ("critical", "mails")
        assert "AUC of 1.000" in leak.what
        assert association_of(findings, "age").leak is None

    def test_staying_is_not_churn(self, tmp_path):
        path = table(
            tmp_path / "t.csv", 200, id=lambda n: f"C{n}", retained=lambda n: int(n % 5 > 0), v=lambda n: n % 7
        )
        findings = profiled(path, target="retained")
        assert findings.files[0].targets[0].meaning == "churned = retained is 0"
        assert any(item.topic == "positive class is not churn" for item in findings.attention)

    def test_no_signal_is_said(self, tmp_path):
        draw = random.Random(4)
        columns = {f"v{k}": lambda n: f"{draw.random():.4f}" for k in range(6)}
        path = table(tmp_path / "t.csv", 500, id=lambda n: f"C{n}", churned=lambda n: draw.randrange(2), **columns)
        assert any(item.topic == "no signal" for item in profiled(path).attention)

    def test_capacity(self, tmp_path):
        draw = random.Random(5)
        base = [draw.random() for _ in range(300)]
        path = table(
            tmp_path / "t.csv",
            300,
            id=lambda n: f"C{n}",
            churned=lambda n: int(n % 10 == 0),
            **{f"same{k}": lambda n: f"{base[n]:.5f}" for k in range(4)},
            other=lambda n: f"{draw.random():.5f}",
        )
        capacity = profiled(path).files[0].targets[0].capacity
        assert (capacity.events, capacity.variables, capacity.bearable_variables) == (30, 5, 3)
        # Four columns that are one, and one more: eigenvalues 4 and 1.
        assert capacity.effective_variables == pytest.approx(25 / 17, rel=0.05)

    def test_what_is_no_target_is_refused(self, tmp_path):
        path = table(tmp_path / "t.csv", 100, id=lambda n: f"C{n}", v=lambda n: n * 1.5)
        with pytest.raises(UserError, match="too many different values"):
            profiled(path, target="v")
        with pytest.raises(UserError, match="no column `w`"):
            profiled(path, target="w")
