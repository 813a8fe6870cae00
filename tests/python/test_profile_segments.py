"""Natural segments, zero inflation, how a file was read, categories by time, and the examples of the guide."""

from __future__ import annotations

import contextlib
import io
import random
import re
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from python_ml.onboarding.examination import DataArgument, examine
from python_ml.onboarding.reading import scratch_connection
from python_ml.onboarding.roles import column_specs
from python_ml.profiling import read_findings, render_page, summarise, write_findings
from tests.python.command_line import command_here
from tests.python.test_profile import column_of, profiled, single, table

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "profiling.md"


def people(path: Path, rows: int = 900, apart: float = 8.0) -> Path:
    """Customers of two kinds, a third of them young, spending little and leaving often; with 0 there is one kind."""
    draw = random.Random(2)
    kinds = [number % 3 == 0 for number in range(rows)]
    left = [draw.random() < (0.6 if kind and apart else 0.2) for kind in kinds]
    measures = {
        name: [f"{(-apart if kind else 0.0) + draw.gauss(20, 1):.4f}" for kind in kinds]
        for name in ("tenure_score", "spend_score", "visits_score")
    }
    return table(
        path,
        rows,
        customer_id=lambda n: f"C{n:05d}",
        churned=lambda n: int(left[n]),
        **{name: lambda n, values=values: values[n] for name, values in measures.items()},
    )


class TestSegments:
    def test_two_kinds_are_found_without_the_target_and_their_rates_told(self, tmp_path):
        findings = profiled(people(tmp_path / "people.csv"))
        found = findings.files[0].segments
        assert (found.of, found.supported, found.target, len(found.segments)) == ("rows", True, "churned", 2)
        assert "churned" not in found.attributes
        assert [segment.rows for segment in found.segments] == [600, 300]
        assert found.segments[1].left.low > found.segments[0].left.high
        assert "they differ in the share that left" in found.words
        assert found.segments[1].marks[0].here < found.segments[1].marks[0].everywhere
        assert "What sets it apart" in render_page(findings)

    def test_one_kind_has_no_segments(self, tmp_path):
        found = profiled(people(tmp_path / "people.csv", apart=0.0)).files[0].segments
        assert (found.supported, found.segments) == (False, [])
        assert "no natural segments" in found.words

    def test_a_column_in_two_lumps_makes_no_segments_of_the_others(self, tmp_path):
        draw = random.Random(3)
        values = [[f"{draw.gauss(0, 1):.4f}" for _ in range(600)] for _ in range(5)]
        path = table(
            tmp_path / "t.csv",
            600,
            customer_id=lambda n: f"C{n}",
            lump=lambda n: f"{(n % 2) * 6 + float(values[4][n]):.3f}",
            **{f"m{k}": lambda n, k=k: values[k][n] for k in range(4)},
        )
        assert not profiled(path).files[0].segments.supported

    def test_entities_of_events(self, tmp_path):
        draw = random.Random(4)
        rows = []
        for customer in range(260):
            busy = customer % 2
            for _ in range(40 if busy else 3):
                at = date(2023, 1, 1) + timedelta(days=draw.randrange(300 if busy else 60))
                rows.append((f"C{customer}", at, f"{draw.gauss(100 if busy else 10, 1):.2f}"))
        path = table(
            tmp_path / "t.csv",
            len(rows),
            customer_id=lambda n: rows[n][0],
            at=lambda n: rows[n][1],
            amount=lambda n: rows[n][2],
        )
        found = profiled(path).files[0].segments
        assert (found.of, found.supported, found.rows, found.target) == ("entities", True, 260, None)
        assert sorted(segment.rows for segment in found.segments) == [130, 130]


class TestColumns:
    def test_zero_inflation(self, tmp_path):
        many = profiled(table(tmp_path / "a.csv", 400, v=lambda n: 0 if n % 2 else n * 1.5))
        assert column_of(many.files[0], "v").numbers.zero_inflated
        assert "zero inflation" in {item.topic for item in many.attention}
        assert not single(table(tmp_path / "b.csv", 400, v=lambda n: n * 1.5)).numbers.zero_inflated

    def test_different_values_are_exact_in_small_files(self, tmp_path):
        file = profiled(table(tmp_path / "t.csv", 5000, v=lambda n: n % 1237, at=lambda n: date(2020, 1, 1))).files[0]
        assert (column_of(file, "v").distinct, column_of(file, "v").distinct_exact) == (1237, True)
        assert file.approximate == []

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("a;b\n1,5;x\n", {"encoding": "utf-8", "byte_order_mark": False, "delimiter": ";", "header": True}),
            ("\ufeffa,b\n1,x\n", {"byte_order_mark": True, "delimiter": ","}),
            ("a b\n1 2\n3 4\n", {"delimiter": "blanks"}),
        ],
    )
    def test_how_a_file_is_read(self, tmp_path, content, expected):
        path = tmp_path / "t.csv"
        path.write_text(content, encoding="utf-8")
        assert expected.items() <= profiled(path).files[0].reading.model_dump().items()

    def test_personal_columns_become_no_features(self, tmp_path):
        path = table(
            tmp_path / "t.csv",
            customer_id=lambda n: f"C{n % 20}",
            at=lambda n: date(2023, 1, 1) + timedelta(days=n),
            mail=lambda n: f"user{n % 30}@example.com",
            reached=lambda n: f"+49 30 {100000 + n % 30}",
            code=lambda n: f"{n % 30:08d}",
        )
        with scratch_connection() as connection:
            (profile,) = examine(connection, [DataArgument(path)])
            unused = {spec.raw_name: spec.unused for spec in column_specs(connection, profile)}
            meanings = {column.raw_name: column.meaning for column in profile.columns}
        assert meanings == {c.name: c.semantic for c in profiled(path).files[0].columns}
        assert meanings["code"] == "identifier"
        assert unused["mail"].startswith("personal data")
        assert unused["reached"].startswith("personal data")


class TestCategories:
    def test_by_time_and_with_more_values_than_are_told_apart(self, tmp_path):
        draw = random.Random(5)
        rows = [(draw.random() < 0.4, draw.randrange(3), draw.randrange(80)) for _ in range(3000)]
        path = table(
            tmp_path / "t.csv",
            3000,
            customer_id=lambda n: f"C{n}",
            signup=lambda n: date(2022, 1, 1) + timedelta(days=n % 700),
            churned=lambda n: int(rows[n][0]),
            # It goes together with the target from the second year on.
            plan=lambda n: "ab"[rows[n][0]] if n % 700 >= 365 and n % 5 else "ab"[rows[n][1] % 2],
            region=lambda n: f"r{rows[n][2]}",
        )
        (target,) = profiled(path).files[0].targets
        plan, region = (next(a for a in target.associations if a.column == name) for name in ("plan", "region"))
        early, late = ([p.cramers_v for p in plan.by_time if (p.period < "2023") is old] for old in (True, False))
        assert max(early) < 0.2 < 0.5 < min(late)
        assert region.cramers_v < 0.1
        assert sum(p.rows for p in plan.by_time) == 3000


def test_the_examples_of_the_guide(tmp_path, monkeypatch):
    text = GUIDE.read_text(encoding="utf-8")
    table(tmp_path / "accounts.csv", 60, account_id=lambda n: f"A{n}", plan=lambda n: ("Pro", "pro", "Basic")[n % 3])
    table(tmp_path / "usage.csv", 600, account_id=lambda n: f"A{n % 60}", at=lambda n: f"2024-0{1 + n % 9}-11")
    (line,) = re.findall(r"^\$ (retention profile .*)$", text, re.MULTILINE)
    made = command_here(tmp_path, *line.split()[1:])
    assert made.returncode == 0, made.stderr
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        exec(block, {})
    assert "accounts 60 entity [['account_id']]" in shown.getvalue()
    assert "warning case variants accounts plan" in shown.getvalue()
    found = yaml.safe_load((tmp_path / "profile" / "findings.yaml").read_text(encoding="utf-8"))
    (example,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    promised = yaml.safe_load(example.replace(", …", ""))
    assert found["version"] == promised["version"]
    assert found["links"][0].items() >= promised["links"][0].items()
    assert any(item.items() >= promised["attention"][0].items() for item in found["attention"])
    findings = read_findings(tmp_path / "profile" / "findings.yaml")
    assert write_findings(findings) == (tmp_path / "profile" / "findings.yaml").read_text(encoding="utf-8")
    assert summarise(findings)
