"""`retention monitor`: planted drift is found, quiet periods stay quiet, and every figure is that of the rows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import yaml

from python_ml.input_columns import CATEGORY, FLAG, NUMBER, InputColumn
from python_ml.monitor.counting import TableRows
from python_ml.monitor.domain import domain_classifier
from python_ml.monitor.drift import FEATURE, drift_rows, judged, reference_periods, with_since
from python_ml.monitor.drift_table import COLUMNS, drift_table, panels
from python_ml.monitor.reference import measure_reference, reference_of_frame
from python_ml.monitor.schema import ReferenceStatistics
from python_ml.settings.monitor import Drift, Levels
from tests.python.churn_world import quick_settings, small_world, write_project
from tests.python.command_line import command_here
from tests.python.drift_world import PLANTED, DriftWorld, gradual, measured, moved, quiet_alarms, sudden

MODEL = "logistic_regression"


def table_of(connection: duckdb.DuckDBPyConnection, frame: pd.DataFrame) -> TableRows:
    connection.register("rows_here", frame)
    return TableRows(connection, "rows_here", "who")


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        yield opened


# Counting ------------------------------------------------------------------------------------------------


def hostile_frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 400
    return pd.DataFrame(
        {
            "who": rng.integers(0, 150, n),
            "feature_timestamp": pd.to_datetime(np.where(np.arange(n) < 250, "2024-01-01", "2024-02-01")),
            'a "b" `c`': np.where(rng.random(n) < 0.1, np.nan, rng.gamma(2, 3, n)),
            "x; drop table t": np.where(np.arange(n) % 50 == 0, np.inf, rng.normal(size=n)),
            "few": rng.choice([0.0, 1.5, 7.0], n),
            "constant": 3.0,
            "empty": np.full(n, np.nan),
            "'cat'": rng.choice(["it's", 'say "no"', "ü", None], n),
        }
    )


def test_counts_are_those_of_a_calculation_by_hand(connection):
    frame = hostile_frame()
    names = list(frame.columns[2:])
    columns = [InputColumn(name, CATEGORY if name == "'cat'" else NUMBER) for name in names]
    reference = measure_reference(table_of(connection, frame), columns)
    assert list(reference.periods) == [datetime(2024, 1, 1), datetime(2024, 2, 1)]
    assert reference.customers == frame["who"].nunique()
    for time, counts in reference.periods.items():
        month = frame[frame["feature_timestamp"] == time]
        assert (counts.rows, counts.customers) == (len(month), month["who"].nunique())
        for name in names[:-1]:
            bins, values = reference.columns[name].bins, month[name].replace(np.inf, np.nan)
            known = values.dropna().to_numpy()
            at = np.searchsorted(bins.edges, known)  # bins include their upper end
            expected = [*np.bincount(at, minlength=len(bins) - 1), len(values) - len(known)]
            assert list(counts.columns[name].counts) == expected
            assert counts.columns[name].total == pytest.approx(known.sum())
        categories = reference.columns["'cat'"].bins.categories
        expected = [int((month["'cat'"] == value).sum()) for value in categories]
        assert list(counts.columns["'cat'"].counts) == [*expected, 0, int(month["'cat'"].isna().sum())]
    gamma, present = reference.columns['a "b" `c`'], frame['a "b" `c`'].dropna()
    assert gamma.bins.edges[1:-1] == pytest.approx(np.quantile(present, np.arange(1, 10) / 10))
    assert (gamma.mean, gamma.std) == pytest.approx((present.mean(), present.std()))
    assert (gamma.low, gamma.high) == (present.min(), present.max())
    assert reference.columns["few"].bins.exact
    assert reference.columns["few"].bins.edges[1:] == (0.0, 1.5, 7.0)
    assert reference.columns["constant"].std == 0
    assert reference.columns["empty"].mean is None
    assert ReferenceStatistics.from_json(reference.to_json()) == reference


def test_the_size_of_queries_changes_no_figure(connection, monkeypatch):
    connection.register("frame", hostile_frame())
    connection.execute("create table rows_there as from frame")
    names = list(hostile_frame().columns[2:])
    columns = [InputColumn(name, CATEGORY if name == "'cat'" else NUMBER) for name in names]
    found = []
    for batch in (1, 2, 50):
        monkeypatch.setattr("python_ml.monitor.counting.BATCH", batch)
        found.append(measure_reference(TableRows(connection, "main.rows_there", "who"), columns))
    assert found[0] == found[1] == found[2]


def test_a_table_without_rows_has_an_empty_reference(connection):
    columns = [InputColumn("few", NUMBER), InputColumn("'cat'", CATEGORY)]
    assert measure_reference(table_of(connection, hostile_frame().iloc[:0]), columns).periods == {}


def test_every_kind_of_shift_is_measured(connection):
    before = hostile_frame().iloc[:250]
    after = (
        hostile_frame()
        .iloc[250:]
        .assign(few=9.0, constant=2.0, empty=1.0, **{"'cat'": "new", 'a "b" `c`': lambda rows: rows['a "b" `c`'] + 3})
    )
    columns = [InputColumn(n, CATEGORY if n == "'cat'" else NUMBER) for n in before.columns[2:]]
    reference = measure_reference(table_of(connection, before), columns)
    current = table_of(connection, after).counted([column.bins for column in reference.columns.values()])
    rows = {row["feature"]: row for row in drift_rows(FEATURE, reference, current, [c.name for c in columns], Drift())}
    assert {name for name, row in rows.items() if row["status"] == "drift"} == {*rows} - {"x; drop table t"}
    gamma = rows['a "b" `c`']
    std = before['a "b" `c`'].std()
    assert gamma["mean_shift"] == pytest.approx((after['a "b" `c`'].mean() - before['a "b" `c`'].mean()) / std)
    assert gamma["median_shift"] == pytest.approx(
        (after['a "b" `c`'].median() - before['a "b" `c`'].median()) / std, abs=0.15
    )
    assert rows["few"]["out_of_range_share"] == rows["constant"]["out_of_range_share"] == 1
    assert rows["constant"].get("mean_shift") is None  # there is no standard deviation to measure it in
    assert rows["empty"]["null_shift"] == -1
    assert json.loads(rows["'cat'"]["new_categories"]) == ["new"]
    assert set(json.loads(rows["'cat'"]["vanished_categories"])) == {"it's", 'say "no"', "ü"}
    table = drift_table(with_since(list(rows.values())))
    assert table.column_names == list(COLUMNS)
    assert len(set(table["drift_key"].to_pylist())) == len(rows)


def test_values_that_come_late_in_a_frame_are_counted():
    n = 5_000
    frame = pd.DataFrame(
        {
            "who": np.arange(n),
            "feature_timestamp": pd.Timestamp("2024-01-01"),
            "word": pd.Series([None] * (n - 1) + ["ü"], dtype=object),
            "flag": pd.Series([None] * (n - 2) + [True, False], dtype=object),
            "never": pd.Series([None] * n, dtype=object),
        }
    )
    columns = [InputColumn("word", CATEGORY), InputColumn("flag", FLAG), InputColumn("never", CATEGORY)]
    counts = reference_of_frame(frame, "who", columns).whole.columns
    assert counts["word"].counts == (1, 0, n - 1)
    assert counts["flag"].counts == (0, 1, 1, 0, n - 2)
    assert counts["never"].counts == (0, n)


# Verdicts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANTED)
def test_planted_drift_is_found_in_its_first_period_and_nothing_else_is(name):
    planted, column = PLANTED[name]
    rows = measured(DriftWorld(customers=1_200, planted=planted), jointly=name in ("sudden", "correlations"))
    assert moved(rows) == {column}


def test_gradual_drift_is_found_in_the_period_in_which_it_passes_the_threshold():
    rows = measured(DriftWorld(customers=2_000, later_months=4, planted=gradual), jointly=False)
    # A normal that moves by d standard deviations has a PSI of d squared: 0.04, 0.16, 0.36, 0.64.
    series = [row for row in rows if row["feature"] == "n5"]
    assert [row["status"] for row in series] == ["ok", "warning", "drift", "drift"]
    assert [row["since"] for row in series] == [None, *[datetime(2022, 8, 1)] * 3]
    assert {row["feature"] for row in rows if row["status"] != "ok"} == {"n5"}


def test_quiet_periods_raise_no_alarm():
    assert not any(quiet_alarms(2))
    assert not any(quiet_alarms(3, customers=150))  # here, noise alone gives a PSI above 0.1


def test_a_season_is_compared_with_the_same_season():
    """By winter, orders are a quarter of what the months from January to June have seen."""
    half_a_year = DriftWorld(season=0.75, reference_months=6, later_months=3)
    assert "orders_count_30d" in moved(measured(half_a_year, jointly=False), month=2)
    for month in (2, 8):  # of the second year, the lowest of which is in October
        world = replace(half_a_year, reference_months=12 + month, later_months=1)
        assert not moved(measured(world), reference_months=12 + month)
        rows = measured(replace(world, planted=sudden), jointly=False)
        assert moved(rows, reference_months=12 + month) == {"orders_amount_sum_30d"}


def test_what_has_always_grown_may_grow_on_and_not_more():
    def of_month(world, speed):
        frame = world.frame()
        months = frame["feature_timestamp"].rank(method="dense") - 1
        return frame.assign(n5=frame["n5"] + 0.5 * months + np.where(months == 8, speed, 0.0))

    for speed, expected in ((0.0, set()), (1.5, {"n5"})):
        world = DriftWorld(customers=1_500, reference_months=8)
        with pytest.MonkeyPatch.context() as patch:
            frame = of_month(world, speed)
            patch.setattr(DriftWorld, "frame", lambda _, frame=frame: frame)
            rows = measured(world, jointly=False)
        assert moved(rows, reference_months=8) == expected
        n5 = next(row for row in rows if row["feature"] == "n5")
        assert n5["psi_excess"] > 0.1
        if not speed:
            assert (n5["reference"], n5["usual_change"] > 0.1) == ("trend", True)


@pytest.mark.parametrize(
    ("change", "expected"),
    {
        "on": (lambda age, rng: age, "ok"),
        "missing": (lambda age, rng: np.where(rng.random(len(age)) < 0.5, np.nan, age), "drift"),
        "reset": (lambda age, rng: age - age.min(), "drift"),
        "faster": (lambda age, rng: age + 60, "drift"),
        "another unit": (lambda age, rng: age * 24, "drift"),
        "wider": (lambda age, rng: age.mean() + 2 * (age - age.mean()), "drift"),
    }.values(),
)
def test_a_closed_cohort_grows_older_without_an_alarm(connection, change, expected):
    """Nobody joins: after a few months, no age is one that the reference has seen."""
    rng = np.random.default_rng(3)
    joined = rng.uniform(0, 100, size=120)
    times = pd.date_range("2023-04-12", periods=46, freq="14D")
    reference_end = times[32]
    frames = []
    for time in times:
        age = (time - times[0]).days + 100 - joined
        values = change(age, rng) if time > reference_end else age
        frames.append(pd.DataFrame({"who": np.arange(120), "feature_timestamp": time, "age": values}))
    rows = table_of(connection, pd.concat(frames, ignore_index=True))
    column = InputColumn("age", NUMBER)
    reference = measure_reference(rows.between(until=reference_end.to_pydatetime()), [column])
    current = rows.between(after=reference_end.to_pydatetime()).counted([reference.columns["age"].bins])
    judged_as = [row["status"] for row in drift_rows(FEATURE, reference, current, ["age"], Drift())]
    assert len(judged_as) == 13
    assert judged_as[0] == expected
    assert set(judged_as) == {expected}


def test_neither_few_nor_many_rows_decide():
    levels = Levels(warning=0.1, drift=0.2)
    assert judged(0.3, levels, significant=False)["status"] == "ok"
    rng = np.random.default_rng(0)
    with duckdb.connect() as connection:
        statuses = {}
        for n, shift in ((200, 0.3), (400_000, 0.1), (400_000, 0.6)):
            frame = pd.DataFrame(
                {
                    "who": np.arange(2 * n),
                    "feature_timestamp": np.repeat(pd.to_datetime(["2024-01-01", "2024-02-01"]), n),
                    "x": np.concatenate([rng.normal(size=n), rng.normal(shift, 1, n)]),
                }
            )
            rows = table_of(connection, frame)
            reference = measure_reference(rows.between(until=datetime(2024, 1, 1)), [InputColumn("x", NUMBER)])
            current = rows.between(after=datetime(2024, 1, 1)).counted([reference.columns["x"].bins])
            [row] = drift_rows(FEATURE, reference, current, ["x"], Drift())
            statuses[n, shift] = row["status"]
            if n > 200:
                assert row["p_value"] < 1e-9
    assert statuses == {(200, 0.3): "ok", (400_000, 0.1): "ok", (400_000, 0.6): "drift"}


def test_the_season_is_the_nearest_feature_time_a_year_before(connection):
    def reference(times):
        frame = pd.DataFrame({"who": 1, "feature_timestamp": pd.to_datetime(times), "x": 1.0})
        return measure_reference(table_of(connection, frame), [InputColumn("x", NUMBER)])

    months = reference([f"2023-{month:02d}-28" for month in range(1, 13)])
    kinds = {part.kind: part for part in reference_periods(datetime(2024, 2, 28), months)}
    assert kinds["season"].first == datetime(2023, 2, 28)
    assert (kinds["trend"].first, kinds["trend"].steps) == (datetime(2023, 12, 28), 2)
    assert "season" not in {part.kind for part in reference_periods(datetime(2025, 6, 28), months)}
    assert [part.kind for part in reference_periods(datetime(2024, 2, 29), reference(["2023-01-01"]))] == ["training"]


def test_a_classifier_knows_no_customer_again():
    """The same customers, whose values stay nearly the same from month to month, are no drift."""
    rng = np.random.default_rng(1)
    fixed = rng.normal(size=(700, 6))
    columns = [InputColumn(f"f{i}", NUMBER) for i in range(6)]

    def month():
        values = fixed + rng.normal(0, 0.05, fixed.shape)
        return pd.DataFrame(values, columns=[f"x{i}" for i in range(6)]).assign(customer=np.arange(700))

    found = domain_classifier(month(), month(), columns)
    assert found.low < 0.5 < found.high
    assert domain_classifier(month(), month().iloc[:49], columns) is None


def test_panels_have_the_series_and_the_distribution_of_each_feature():
    rows = [
        {**row, "is_model_input": True}
        for row in measured(DriftWorld(customers=2_000, later_months=3, planted=gradual), jointly=False)
    ]
    first = panels(rows)[0]
    assert (first.feature, first.status, len(first.periods), len(first.psi)) == ("n5", "drift", 3, 3)
    assert first.psi[0] < first.psi[1] < first.psi[2]
    assert len(first.labels) == len(first.reference) == len(first.current)
    assert sum(first.reference) == pytest.approx(1) == pytest.approx(sum(first.current))
    assert first.labels[0].startswith("<")


# The command ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_project(tmp_path_factory.mktemp("monitor") / "shop", small_world())
    with duckdb.connect(str(folder / "warehouse.duckdb")) as connection:
        connection.execute(
            "create table gold.gld_customer_features as "
            "select * exclude (churned, label_timestamp) from gold.gld_training_set"
        )
        connection.execute(
            "create table gold.gld_churn_scores as select customer_id, 1 as model_version, "
            "0.9 + random() / 10 as churn_probability, feature_timestamp from gold.gld_scoring_set"
        )
    settings = quick_settings((MODEL,), bootstrap_replicates=10).model_dump(mode="json", include={"training"})
    (folder / "retention.yml").write_text(yaml.safe_dump(settings | {"survival": {"enabled": False}}))
    trained = command_here(folder, "train")
    assert trained.returncode == 0, trained.stderr
    return folder


def stored(folder: Path) -> pd.DataFrame:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute("select * from gold.gld_feature_drift").df()


def test_the_command_measures_stores_and_refuses(shop):
    (shop / "retention.yml").write_text("monitor: {drift: {accept: {churn_probability: made up}}}")
    quiet = command_here(shop, "monitor", "--json")
    assert quiet.returncode == 0, quiet.stdout + quiet.stderr
    found = json.loads(quiet.stdout)
    assert (found["status"], found["breaches"]) == ("ok", [])
    rows = stored(shop)
    assert list(rows.columns) == list(COLUMNS)
    assert set(rows["kind"]) == {"feature", "score", "outcome", "multivariate"}
    score = rows[rows["kind"] == "score"].iloc[0]
    assert (score["status"], score["accepted_because"]) == ("drift", "made up")
    assert rows["drift_key"].is_unique
    assert set(rows[rows["feature"] == "customer_country"]["is_model_input"]) == {False}
    assert set(rows["model_version"]) == {1}

    newest = rows["current_period"].max()
    with duckdb.connect(str(shop / "warehouse.duckdb")) as connection:
        connection.execute(
            "update gold.gld_customer_features set customer_plan = 'gold', noise_1 = null, customer_country = 'new' "
            "where feature_timestamp = ?",
            [newest],
        )
    broken = command_here(shop, "monitor")
    assert broken.returncode == 3
    assert "customer_plan" in broken.stdout
    assert "`customer_plan` drifted since" in broken.stderr
    assert "new: gold" in broken.stderr
    assert "`noise_1`" in broken.stderr
    rows = stored(shop)
    drifted = rows[(rows["status"] == "drift") & (rows["kind"] == "feature")]
    assert set(drifted["feature"]) == {"customer_plan", "noise_1", "customer_country"}
    assert "customer_country" in broken.stdout
    assert "customer_country" not in broken.stderr, "the champion does not use it"
    assert set(drifted["since"]) == {newest}
    page = (shop / "reports" / "monitoring.html").read_text(encoding="utf-8")
    assert "<bdi>customer_plan</bdi></h3>" in page
    assert "new: gold" in page
    assert "How much each feature matters to this version is not known" not in page  # the training has measured it
    record = json.loads((shop / "reports" / "monitoring.json").read_text(encoding="utf-8"))
    assert record["status"] == "breach"

    (shop / "retention.yml").write_text("monitor: {drift: {accept: {customer_plans: renamed}}}")
    mistaken = command_here(shop, "monitor")
    assert mistaken.returncode == 2
    assert "did you mean `customer_plan`" in mistaken.stderr


def test_a_champion_without_reference_statistics_is_compared_with_the_warehouse(shop, monkeypatch):
    (shop / "retention.yml").unlink(missing_ok=True)
    command_here(shop, "monitor")
    expected = stored(shop)
    monkeypatch.setattr("python_ml.monitor.monitoring.stored_reference", lambda folder: None)
    outcome = command_here(shop, "monitor")
    assert "The champion has no reference statistics" in outcome.stderr
    pd.testing.assert_frame_equal(stored(shop), expected)


def test_without_a_champion_there_is_nothing_to_compare_with(tmp_path):
    outcome = command_here(write_project(tmp_path / "shop", small_world()), "monitor")
    assert outcome.returncode == 2
    assert "retention train" in outcome.stderr


def test_the_help_teaches(tmp_path):
    outcome = command_here(tmp_path, "monitor", "--help")
    for text in ("gold.gld_feature_drift", "accept:", "Exit codes", "drift:"):
        assert text in outcome.stdout


def test_the_table_is_described_in_every_project(repository):
    own = (repository / "models" / "gold" / "_gold__drift.yml").read_text(encoding="utf-8")
    theirs = (repository / "python_ml" / "generate" / "templates" / "gold" / "_gold__drift.yml").read_text(
        encoding="utf-8"
    )
    assert own == theirs.replace("customer_retention.no_drift", "no_drift")
    [table] = yaml.safe_load(own)["sources"][0]["tables"]
    assert {column["name"]: column["data_type"] for column in table["columns"]} == COLUMNS
