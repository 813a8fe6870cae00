"""The deep profile on small files whose truth is known: columns, rows, time, entities, order."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import duckdb
import pytest

from python_ml.onboarding.examination import DataArgument
from python_ml.onboarding.reading import scratch_connection
from python_ml.profiling import profile_files, read_findings, render_page, summarise, write_findings
from python_ml.profiling.schema import Column, File, Findings
from tests.python.raw_shop import shop, write


def profiled(*paths: Path, **options) -> Findings:
    """Profile files as the command does."""
    with scratch_connection() as connection:
        return profile_files(connection, [DataArgument(path) for path in paths], **options)


def column_of(file: File, name: str) -> Column:
    """A column by its name in the file."""
    return next(column for column in file.columns if column.name == name)


def single(path: Path, name: str = "v", **options) -> Column:
    """One column of a profiled file."""
    return column_of(profiled(path, **options).files[0], name)


def table(path: Path, rows: int = 200, **columns) -> Path:
    """Write a CSV file whose columns are functions of the row's number."""
    lines = [",".join(columns)]
    lines += [",".join(str(make(number)) for make in columns.values()) for number in range(rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def orders(tmp_path_factory) -> File:
    """The profile of a small shop."""
    return profiled(write(tmp_path_factory.mktemp("shop") / "orders.csv", shop())).files[0]


class TestSemanticTypes:
    """Names are hints, values decide."""

    @pytest.mark.parametrize(
        ("name", "make", "expected"),
        [
            ("customer_id", lambda n: f"C{n:05d}", "identifier"),
            ("code", lambda n: f"{n:06d}", "identifier"),
            ("churned", lambda n: n % 2, "target_candidate"),
            ("paperless", lambda n: "Yes" if n % 3 else "No", "binary"),
            ("country", lambda n: ("DE", "FR", "GB")[n % 3], "nominal"),
            ("plan", lambda n: ("Basic", "Pro", "Enterprise")[n % 3], "ordinal"),
            ("age_band", lambda n: ("18-24", "25-34", "35-44", "45+")[n % 4], "ordinal"),
            ("rating", lambda n: 1 + n % 5, "ordinal"),
            ("favday", lambda n: ("Monday", "Friday", "Sunday")[n % 3], "cyclic"),
            ("signup_month", lambda n: 1 + n % 12, "cyclic"),
            ("score", lambda n: f"{n * 0.3717:.4f}", "continuous"),
            ("visits", lambda n: n % 30, "discrete"),
            ("unit_price", lambda n: f"{n * 1.37:.2f}", "money"),
            ("tenure", lambda n: n % 72, "duration"),
            ("signup", lambda n: date(2023, 1, 1) + timedelta(days=n), "datetime"),
            ("contact", lambda n: f"user{n}@example.com", "email"),
            ("reached_at", lambda n: f"+49 30 {100000 + n}", "phone"),
            ("last_name", lambda n: f"Smith{chr(97 + n % 26)}{chr(97 + n // 26)}", "personal"),
            ("comment", lambda n: f"the parcel number {n} came late and was not in a good state", "text"),
            ("only", lambda n: "x", "constant"),
            ("nothing", lambda n: "", "empty"),
        ],
    )
    def test_each_kind(self, tmp_path, name, make, expected):
        found = single(table(tmp_path / "t.csv", row=lambda n: n, **{name: make}), name)
        assert found.semantic == expected, found.because
        assert found.because

    def test_personal_values_are_shown_nowhere(self, tmp_path):
        findings = profiled(table(tmp_path / "t.csv", row=lambda n: n, mail=lambda n: f"user{n % 7}@example.com"))
        for shown in (write_findings(findings), render_page(findings), summarise(findings)):
            assert "@example.com" not in shown
        assert [item.topic for item in findings.attention if item.column == "mail"] == ["personal data"]


class TestNumbers:
    def test_figures_agree_with_plain_sql(self, tmp_path):
        path = table(tmp_path / "t.csv", 999, v=lambda n: (n * n * 7919) % 10007)
        numbers = single(path).numbers
        expected = duckdb.sql(f"""
            select min(v), max(v), avg(v), stddev_samp(v), skewness(v), quantile_cont(v, [0.25, 0.5, 0.75])
            from read_csv('{path}')
        """).fetchall()[0]
        assert (numbers.minimum, numbers.maximum) == expected[:2]
        assert [numbers.mean, numbers.deviation, numbers.skew] == pytest.approx(expected[2:5], rel=1e-5, abs=1e-4)
        assert [numbers.quantiles[name] for name in ("p25", "p50", "p75")] == pytest.approx(expected[5], rel=1e-5)
        assert sum(numbers.histogram.counts) == 999

    def test_outliers_by_three_rules(self, tmp_path):
        # 1 to 99 twice, and three values far out
        path = table(tmp_path / "t.csv", 201, v=lambda n: 1 + n % 99 if n < 198 else 5000 + n)
        numbers = single(path).numbers
        assert (numbers.outliers_iqr, numbers.outliers_z, numbers.outliers_modified_z) == (3, 3, 3)

    @pytest.mark.parametrize("code", [-1, 999])
    def test_codes_far_from_all_values_are_sentinels(self, tmp_path, code):
        found = single(table(tmp_path / "t.csv", v=lambda n: code if n % 20 == 0 else n % 60))
        assert [(s.value, s.rows) for s in found.sentinels] == [(str(code), 10)]

    @pytest.mark.parametrize("top", [99, 999])
    def test_codes_among_values_are_not(self, tmp_path, top):
        assert single(table(tmp_path / "t.csv", 1200, v=lambda n: n % (top + 1))).sentinels == []

    def test_zero_far_from_all_values(self, tmp_path):
        found = single(table(tmp_path / "t.csv", weight=lambda n: 0 if n % 10 == 0 else 50 + n % 40), "weight")
        assert [(s.value, s.rows) for s in found.sentinels] == [("0", 20)]
        assert found.numbers.zeros == 20

    def test_words_among_numbers_are_told(self, tmp_path):
        found = profiled(table(tmp_path / "t.csv", v=lambda n: "n/a" if n % 50 == 0 else n * 1.5))
        assert found.files[0].columns[0].numbers.unreadable[0].model_dump() == {"value": "n/a", "rows": 4}
        assert any(item.topic == "not a number" and "4 values" in item.what for item in found.attention)

    def test_numbers_that_overflow_and_are_none(self, tmp_path):
        path = tmp_path / "odd.parquet"
        duckdb.sql(f"""
            copy (select i as id, case i % 4
                when 0 then 'nan'::double when 1 then 'inf'::double when 2 then 1e308 else -1e308 end as v
                from range(400) t(i)) to '{path}' (format parquet)
        """)
        assert single(path).missing == 0


class TestTexts:
    def test_variants_blanks_and_words_for_nothing(self, tmp_path):
        cities = ("Berlin", "berlin", "BERLIN", "Paris", "N/A")
        path = table(tmp_path / "t.csv", 100, v=lambda n: cities[n % 5], w=lambda n: " x " if n < 7 else "x")
        file = profiled(path).files[0]
        city = column_of(file, "v")
        assert (city.variants.case_groups, city.variants.case_rows) == (1, 60)
        assert [(s.value, s.rows) for s in city.sentinels] == [("N/A", 20)]
        assert column_of(file, "w").variants.blank_rows == 7

    def test_blanks_alone_are_missing(self, tmp_path):
        found = single(table(tmp_path / "t.csv", v=lambda n: " " if n < 11 else n * 1.1))
        assert (found.missing, found.blank) == (11, 11)

    def test_codes_of_several_shapes(self, tmp_path):
        found = profiled(table(tmp_path / "t.csv", 300, v=lambda n: f"C{n}" if n % 3 == 0 else f"{n}-{n}"))
        assert found.files[0].columns[0].texts.mixed
        assert [item.value for item in found.files[0].columns[0].texts.shapes] == ["9-9", "a9"]


class TestTimes:
    def test_sentinel_dates(self, tmp_path):
        def day(n):
            return ("1900-01-01", "2999-12-31")[n % 2] if n < 6 else date(2023, 1, 1) + timedelta(days=n)

        found = single(table(tmp_path / "t.csv", 400, v=day))
        assert {(s.value, s.rows) for s in found.sentinels} == {("1900-01-01", 3), ("2999-12-31", 3)}
        assert (found.times.plausible_first, found.times.plausible_last) == ("2023-01-07", "2024-02-04")

    def test_day_and_month_first(self, tmp_path):
        def day(n):
            return date(2023, 1, 1) + timedelta(days=n)

        decided = single(table(tmp_path / "a.csv", v=lambda n: f"{day(n).day}/{day(n).month}/{day(n).year}"))
        assert decided.times.order.startswith("day first")
        assert not decided.times.undecided
        findings = profiled(table(tmp_path / "b.csv", v=lambda n: f"{1 + n % 12}/{1 + n % 7}/2023"))
        assert findings.files[0].columns[0].times.undecided
        assert any(item.topic == "order of day and month" for item in findings.attention)

    def test_plans_lie_in_the_future(self, tmp_path):
        path = table(
            tmp_path / "t.csv",
            customer_id=lambda n: f"C{n % 20}",
            ordered_at=lambda n: date(2023, 1, 1) + timedelta(days=n),
            renewal_date=lambda n: date(2023, 6, 1) + timedelta(days=n),
        )
        file = profiled(path).files[0]
        assert column_of(file, "renewal_date").times.future == 151
        assert column_of(file, "ordered_at").times.future == 0


class TestRows:
    def test_granularity_and_keys(self, orders):
        assert orders.granularity.level == "event"
        assert (orders.granularity.entity, orders.granularity.time) == ("customer_id", "ordered_at")
        assert orders.granularity.entities == 150
        assert orders.duplicate_rows == 0

    def test_copies_and_repeated_identifiers(self, tmp_path):
        path = table(tmp_path / "t.csv", 200, ticket_id=lambda n: f"T{min(n, 190)}", v=lambda n: min(n, 190))
        findings = profiled(path)
        file = findings.files[0]
        assert file.duplicate_rows == 9
        key = next(key for key in file.keys if key.columns == ["ticket_id"])
        assert (key.unique, key.repeated_rows, key.missing) == (False, 9, 0)
        assert {"duplicate rows", "repeated identifier"} <= {item.topic for item in findings.attention}

    def test_a_pair_of_columns_as_key(self, tmp_path):
        path = table(
            tmp_path / "t.csv", 400, customer_id=lambda n: f"C{n // 20}", day=lambda n: f"2023-01-{1 + n % 20}"
        )
        assert [key.columns for key in profiled(path).files[0].keys if key.unique] == [["customer_id", "day"]]

    def test_copies_with_shifted_times(self, tmp_path):
        def base(n):
            return n if n < 800 else n - 800

        path = table(
            tmp_path / "t.csv",
            1000,
            customer_id=lambda n: f"C{n}",
            created=lambda n: date(2015, 1, 1) + timedelta(days=base(n) * 3 % 1000 + (1462 if n >= 800 else 0)),
            spent=lambda n: f"{1 + (base(n) * 7919) % 9973 / 7:.3f}",
            weight=lambda n: f"{1 + (base(n) * 104729) % 9967 / 3:.3f}",
            city=lambda n: "ABC"[base(n) % 3],
            tier=lambda n: base(n) % 4,
        )
        findings = profiled(path)
        assert findings.files[0].shifted_copies.model_dump(include={"rows", "days"}) == {"rows": 200, "days": 1462}
        assert any(item.topic == "shifted copies" and "about 4 years" in item.what for item in findings.attention)


class TestTime:
    def test_gap_weekdays_and_trend(self, tmp_path):
        days = [date(2021, 1, 1) + timedelta(days=n) for n in range(1000)]
        kept = [d for d in days if d.weekday() < 5 and not date(2022, 5, 2) <= d <= date(2022, 5, 22)]
        rows = [d for place, d in enumerate(kept) for _ in range(2 + place // 100)]
        path = table(tmp_path / "t.csv", len(rows), customer_id=lambda n: n % 50, at=lambda n: rows[n])
        course = profiled(path).files[0].coverage
        assert [(gap.first, gap.last) for gap in course.gaps if gap.days > 10] == [("2022-04-30", "2022-05-22")]
        assert course.weekdays[5:] == [0, 0]
        assert "fewest on Saturday (none)" in course.weekday_words
        assert "grow" in course.trend_words
        assert sum(period.rows for period in course.periods) == len(rows)

    def test_a_season(self, tmp_path):
        days = [date(2020, 1, 1) + timedelta(days=n) for n in range(1096)]
        rows = [d for d in days for _ in range(9 if d.month == 12 else 3)]
        path = table(tmp_path / "t.csv", len(rows), customer_id=lambda n: n % 50, at=lambda n: rows[n])
        course = profiled(path).files[0].coverage
        assert course.season_words.startswith("strongest in December")
        assert course.weekday_words == "weekdays are alike"

    def test_lives_of_entities(self, orders):
        lives = orders.lifecycle
        assert sum(quadrant.entities for quadrant in lives.quadrants) == lives.entities == 150
        assert sum(cohort.entities for cohort in lives.cohorts) == 150
        assert sum(quadrant.events for quadrant in lives.quadrants) == 3000
        supported = {window.window: window.supported for window in lives.windows}
        assert supported["30d"]
        assert supported["90d"]
        assert not supported["365d"]

    def test_attributes_that_change(self, tmp_path):
        path = table(
            tmp_path / "t.csv",
            400,
            customer_id=lambda n: f"C{n % 40}",
            at=lambda n: date(2023, 1, 1) + timedelta(days=n),
            country=lambda n: "DE" if n % 2 else "FR",
            plan=lambda n: "basic" if n % 40 >= 10 or n < 200 else "pro",
        )
        file = profiled(path).files[0]
        assert column_of(file, "country").changes == 0
        assert column_of(file, "plan").changes == 0.25


class TestOrder:
    def test_within_a_row(self, tmp_path):
        start = date(2023, 1, 1)
        path = table(
            tmp_path / "t.csv",
            opened=lambda n: start + timedelta(days=n),
            closed=lambda n: start + timedelta(days=n + (-3 if n % 40 == 0 else 5)),
        )
        (violation,) = profiled(path).order_violations
        assert (violation.kind, violation.time, violation.other_time) == ("within_row", "closed", "opened")
        assert (violation.violated, violation.compared) == (5, 200)

    def test_across_files(self, tmp_path):
        accounts = table(
            tmp_path / "accounts.csv",
            100,
            account_id=lambda n: f"A{n:03d}",
            signup_date=lambda n: date(2023, 3, 1) + timedelta(days=n % 10),
        )
        usage = table(
            tmp_path / "usage.csv",
            1000,
            account_id=lambda n: f"A{n % 100:03d}",
            used_at=lambda n: date(2023, 1, 1) if n < 30 else date(2023, 6, 1) + timedelta(days=n % 90),
        )
        findings = profiled(accounts, usage)
        (violation,) = findings.order_violations
        assert (violation.kind, violation.file, violation.other_file) == ("across_files", "usage", "accounts")
        assert (violation.violated, violation.compared) == (30, 1000)
        assert [(link.child, link.parent) for link in findings.links] == [("usage", "accounts")]


class TestFindings:
    def test_they_survive_the_file_and_do_not_change(self, orders, tmp_path):
        path = write(tmp_path / "orders.csv", shop())
        first, second = profiled(path), profiled(path)
        assert write_findings(first) == write_findings(second)
        assert render_page(first) == render_page(second)
        (tmp_path / "findings.yaml").write_text(write_findings(first), encoding="utf-8")
        assert read_findings(tmp_path / "findings.yaml") == first
        assert str(tmp_path) not in write_findings(first)

    def test_large_files_are_sampled_and_say_so(self, tmp_path, monkeypatch):
        monkeypatch.setattr("python_ml.profiling.tables.SAMPLE_ROWS", 10_000)
        path = tmp_path / "large.parquet"
        duckdb.sql(f"copy (select i as id, i % 1000 as v from range(200000) t(i)) to '{path}' (format parquet)")
        first, second = profiled(path), profiled(path)
        file = first.files[0]
        assert 8_000 < file.sampled_rows < 12_000
        assert column_of(file, "v").numbers.quantiles["p50"] == pytest.approx(500, abs=30)
        assert column_of(file, "v").numbers.maximum == 999
        assert "come from" in summarise(first)
        assert write_findings(first) == write_findings(second)

    @pytest.mark.parametrize("text", ["version: 2\nfiles: []\n", "files: 3\n", "a: [\n", "version: 1\nmore: 1\n"])
    def test_what_breaks_the_schema_is_refused(self, tmp_path, text):
        from python_ml.errors import UserError

        path = tmp_path / "findings.yaml"
        path.write_text(text, encoding="utf-8")
        with pytest.raises(UserError) as refused:
            read_findings(path)
        assert str(path) in refused.value.where
