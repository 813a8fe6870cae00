"""Small inputs that once failed: each behaves as its ``expected.md`` says. They lie next to the repository."""

from __future__ import annotations

import csv
import json
import os
import shlex
import shutil
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
import yaml

from tests.python.command_line import command, command_here, rows, train_only

CASES = Path(os.environ.get("RETENTION_SHARED") or Path(__file__).resolve().parents[3] / "shared") / "cases"
# Most cases derive from the same 190 orders: at the last feature time 21 customers are at risk, 52.4 % of whom churn.
USUAL = (190, 32, 21, 0.5238)
SCORES = "gld_churn_scores_raw+ gld_churn_reasons_raw+"


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Callable[[str], Path]:
    """A copy of the folder of a case, by its number."""

    @cache
    def copied(number: str) -> Path:
        folders = sorted(CASES.glob(f"{number}-*"))
        if not folders:
            pytest.skip(f"case {number} is not present (set RETENTION_SHARED to the folder that holds `cases`)")
        return Path(shutil.copytree(folders[0], tmp_path_factory.mktemp("cases") / number))

    return copied


@pytest.fixture(scope="module")
def made(case) -> Callable[[str, str], dict]:
    """What `retention init NAME --yes ...` of a case prints with --json, with its findings."""

    @cache
    def init(number: str, arguments: str) -> dict:
        folder, parts = case(number), shlex.split(arguments)
        done = command_here(folder, "init", parts[0], "--yes", "--json", *parts[1:])
        assert done.returncode == 0, done.stderr
        project = folder / parts[0]
        findings = yaml.safe_load((project / "findings.yaml").read_text(encoding="utf-8"))
        return {**json.loads(done.stdout), "findings": findings, "folder": project, "shown": done.stderr}

    return init


@pytest.fixture(scope="module")
def built(made) -> Callable[..., Path]:
    """The folder of a project of a case, with all models but scores, or with those selected."""

    @cache
    def build(number: str, arguments: str, selected: str = "") -> Path:
        folder = made(number, arguments)["folder"]
        if selected:
            done = command(folder, "dbt", "run", "--select", selected)
        else:
            done = command_here(folder, "build", "--exclude", SCORES)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return folder

    return build


def refused(folder: Path, arguments: str) -> str:
    """The message with which `retention init` refuses."""
    done = command_here(folder, "init", *shlex.split(arguments))
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("Error:") == 1
    assert "hint:" in done.stderr
    return done.stderr


def facts(result: dict, source: str) -> tuple:
    """Rows that are kept, customers, customers at risk at the last feature time with an outcome, share that churns."""
    findings = result["findings"]
    file = next(file for file in findings["files"] if file["source"] == source)
    customers = next(c for c in file["columns"] if c["role"] == "entity")["distinct"]
    preview = findings["preview"]
    return file["rows_kept"], customers, preview["customers_at_risk"], pytest.approx(preview["churn_rate"], abs=1e-4)


def column(result: dict, name: str) -> dict:
    """A column of the first file, by its name in the file."""
    return next(c for c in result["findings"]["files"][0]["columns"] if c["name"] == name)


def outcome_share(result: dict) -> float:
    """Share of the customers that churned, of a table with an outcome."""
    return result["findings"]["outcome"]["churn_rate"]


class TestFiles:
    """What is read: encodings, dialects, times, numbers."""

    @pytest.mark.parametrize(
        ("number", "arguments", "source"),
        [
            ("08", "out --data orders.csv --horizon 90d", "orders"),
            ("09", "out --data log.jsonl --horizon 90d", "log"),
            ("10", "a --data events.csv --horizon 90d", "events"),
            ("10", "b --data events.csv --time ts --horizon 90d", "events"),
            ("10", "c --data events_ms.csv --time ts --horizon 90d", "events_ms"),
            ("10", "d --data ratings.tsv --entity column_1 --time column_4 --horizon 90d", "ratings"),
            ("20", "out --data orders.csv --horizon 90d", "orders"),
            ("21", "a --data preamble.csv --horizon 90d", "preamble"),
            ("27", "out --data orders.csv --horizon 90d", "orders"),
            ("28", "out --data orders.csv customers.csv --horizon 90d", "orders"),
            ("29", "a --data checkins.tsv --horizon 90d", "checkins"),
            ("29", "b --data commandes_fr.csv --horizon 90d", "commandes_fr"),
            ("35", "a --data orders.csv --horizon 90d", "orders"),
            ("35", "b --data orders.csv --time order_date --horizon 90d", "orders"),
        ],
    )
    def test_the_same_orders_in_many_ways(self, made, number, arguments, source):
        result = made(number, arguments)
        assert facts(result, source) == USUAL
        assert result["settings"]["spine_anchor"] == "2024-06-23"

    def test_what_was_left_out_is_noted(self, made):
        notices = made("21", "a --data preamble.csv --horizon 90d")["notices"]
        assert "preamble: lines before the header are left out: 3" in notices
        assert any("cp1252" in text for text in made("08", "out --data orders.csv --horizon 90d")["notices"])
        assert any("`.0`" in text for text in made("20", "out --data orders.csv --horizon 90d")["notices"])

    def test_11_a_period_is_known_at_its_end(self, built):
        for arguments, model, time, known in (
            ("a --data usage.csv --time period", "brz_a__usage", "period", ("2023-01-31 23:59", "2023-02-01 00:00")),
            (
                "b --data usage_by_week.csv --time week",
                "brz_b__usage_by_week",
                "week",
                ("2023-01-08 23:59", "2023-01-09 00:00"),
            ),
        ):
            folder = built("11", f"{arguments} --horizon 90d", "path:models/bronze")
            ((first,),) = rows(folder, f"select min({time}) from bronze.{model}")
            assert f"{first:%Y-%m-%d %H:%M}" in known

    @pytest.mark.parametrize(
        ("name", "negative"), [("brackets", 22), ("trailing_minus", 22), ("apostrophe", 0), ("currency_code", 0)]
    )
    def test_12_amounts_are_numbers(self, case, made, built, name, negative):
        files = "apostrophe.csv brackets.csv currency_code.csv trailing_minus.csv"
        alone = made("12", f"{name} --data {name}.csv --horizon 90d")
        assert column(alone, "amount")["role"] == "number"
        folder = built("12", f"joint --data {files} --horizon 90d", "path:models/bronze")
        total = sum(map(amount, texts(case("12") / f"{name}.csv", "amount")))
        query = f"select count(*), sum(amount), count(*) filter (amount < 0) from bronze.brz_joint__{name}"
        assert rows(folder, query) == [(190, pytest.approx(total), negative)]

    def test_26_months_as_columns(self, made):
        result = made("26", "out --data mrr.csv")
        assert result["entity"] == "customer"
        assert result["settings"]["spine_anchor"] == "2024-05-01"
        assert any("columns of months are turned into rows" in text for text in result["notices"])

    def test_23_na_is_a_region(self, made):
        result = made("23", "out --data orders.csv --horizon 90d")
        assert result["recommendations"]["proposed"] >= 1
        assert column(result, "region")["missing"] == 0
        recommendations = yaml.safe_load((result["folder"] / "recommendations.yaml").read_text(encoding="utf-8"))
        nulled = [a for a in recommendations["proposals"] if a["action"] == "null_values"]
        assert {a["status"] for a in nulled} <= {"proposed"}


class TestRows:
    """Which rows count: copies, versions, codes for nobody, late ones."""

    @pytest.mark.parametrize("name", ["zero", "minus_one"])
    def test_16_a_code_for_nobody(self, made, name):
        result = made("16", f"{name} --data {name}.csv --horizon 90d")
        (file,) = result["findings"]["files"]
        assert (file["rows_kept"], list(file["rows_quarantined"].values())) == (126, [64])
        preview = result["findings"]["preview"]
        assert (preview["customers_at_risk"], round(preview["churn_rate"], 3)) == (20, 0.7)

    def test_18_versions_of_a_row(self, built):
        folder = built("18", "out --data orders.csv --horizon 90d", "+gld_customer_features")
        # All orders of the first customer, and the amounts that were known of them.
        wrong = """
            with known as (
                select f.customer_id, f.feature_timestamp, r.order_id, max_by(r.amount, r.updated_at) as amount
                from gold.gld_customer_features as f
                inner join raw.orders as r on r.customer_id = f.customer_id
                    and r.ordered_at::timestamp < f.feature_timestamp and r.updated_at::timestamp < f.feature_timestamp
                group by all
            ),
            expected as (
                select customer_id, feature_timestamp, count(*) as n, sum(amount::decimal(18, 2)) as total
                from known group by all
            )
            select count(*), count(*) filter (orders_count_all_time != n or orders_amount_sum_all_time != total)
            from gold.gld_customer_features as f inner join expected using (customer_id, feature_timestamp)
        """
        ((compared, differing),) = rows(folder, wrong)
        assert compared > 500
        assert differing == 0

    def test_19_copies(self, made):
        keyed = made("19", "a --data orders.csv --horizon 90d")
        assert keyed["findings"]["files"][0]["rows_quarantined"] == {"duplicate order_id": 95}
        keyless = made("19", "b --data no_key.csv --horizon 90d")
        assert keyless["findings"]["files"][0]["rows_kept"] == 190
        assert any("95 rows are exact copies of another; they are kept" in text for text in keyless["notices"])

    def test_32_copies_in_an_undated_file_build(self, built):
        folder = built("32", "out --data orders.csv geo.csv --horizon 90d")
        counts = rows(folder, "select source_table, outcome, row_count from bronze.brz_row_counts")
        assert sum(n for table, _, n in counts if table.endswith("geo")) == 80
        assert sum(n for table, outcome, n in counts if table.endswith("orders") and outcome == "kept") == 190
        query = """
            select count(*), avg(churned) from gold.gld_churn_labels
            where feature_timestamp = (select max(feature_timestamp) from gold.gld_training_set)
        """
        assert rows(folder, query) == [(21, pytest.approx(11 / 21))]

    def test_33_late_rows_count_when_they_arrive(self, built):
        folder = built("33", "b --data few_late.csv --horizon 90d", "+gld_customer_features")
        ((compared, differing),) = rows(folder, """
            select count(*), count(*) filter (few_late_count_all_time != (
                select count(*) from raw.few_late as r where r.customer_id = f.customer_id
                and r.ordered_at::timestamp < f.feature_timestamp and r.loaded_at::timestamp < f.feature_timestamp))
            from gold.gld_customer_features as f
        """)  # fmt: skip
        assert compared > 500
        assert differing == 0

    def test_34_prices_stay(self, case, made, built):
        folder = built("34", "a --data invoices.csv --horizon 90d", "path:models/bronze")
        assert rows(folder, "select count(amount), sum(amount) from bronze.brz_a__invoices") == [(190, 6570)]
        for arguments in ("b --data plans.csv --horizon 90d", "c --data customers.csv --outcome churned"):
            text = (made("34", arguments)["folder"] / "recommendations.yaml").read_text(encoding="utf-8")
            proposals = yaml.safe_load(text)["proposals"]
            assert {a["status"] for a in proposals if a["action"] == "null_values"} <= {"proposed"}


class TestCustomers:
    """Who the customer is, and when rows happened."""

    def test_03_naming_the_customer_changes_nothing(self, made):
        guessed = made("03", "guessed --data events.csv users.csv --horizon 90d")
        named = made("03", "named --data events.csv users.csv --horizon 90d --entity user_id")
        assert guessed["features"] == named["features"] >= 43
        assert facts(guessed, "events") == (178, 32, 21, pytest.approx(0.5238, abs=1e-4))
        assert guessed["findings"]["files"][0]["rows_quarantined"] == {"missing user_id": 12}
        assert {n: s["use"] for n, s in named["sources"].items()} == {"events": "events", "users": "attributes"}

    def test_06_a_deadline_is_no_event_time(self, built):
        folder = built("06", "out --data orders.csv items.csv --horizon 90d", "+slv_items")
        assert rows(folder, "select count(*), max(purchased_at)::date::text from silver.slv_items") == [
            (200, "2024-02-12")
        ]

    def test_22_totals_have_no_customer(self, case):
        assert "No column identifies the customers" in refused(case("22"), "out --yes --data subs.csv")

    def test_28_a_birth_date_is_an_age(self, made):
        result = made("28", "out --data orders.csv customers.csv --horizon 90d")
        customers = next(f for f in result["findings"]["files"] if f["source"] == "customers")
        assert (customers["rows_kept"], customers["rows_quarantined"]) == (32, {})
        features = (result["folder"] / "models/silver/slv_customers_attributes.sql").read_text(encoding="utf-8")
        assert "age_years" in features
        assert "days_since_dob" not in features
        assert not any("newest row" in text for text in result["notices"])

    def test_37_linked_tables(self, made, built):
        files = "results.csv meets.csv heats.csv standings.csv members.csv teams.csv halls.csv status.csv"
        labels = "--labels labels.csv --horizon 30d --val-from 2021-09-01 --test-from 2022-03-01"
        result = made("37", f"out --data {files} {labels}")
        named = made("37", f"named --data {files} {labels} --entity memberId")
        assert result["entity"] == named["entity"] == "member_id"
        assert result["features"] == named["features"]
        uses = {name: source["use"] for name, source in result["sources"].items()}
        assert uses["results"] == uses["heats"] == uses["standings"] == "events"
        assert uses["members"] == "attributes"
        assert uses["teams"] == uses["halls"] == uses["status"] == "lookup"
        assert not [name for name, *_ in result["unused"] if name.endswith(".csv")]
        labelled = result["findings"]["outcome"]
        assert (sum(labelled["values"].values()), round(labelled["churn_rate"], 3)) == (689, 0.274)
        folder = built("37", f"out --data {files} {labels}", "+gld_customer_features")
        query = """
            select results_count_all_time, results_count_90d, results_points_sum_all_time,
                round(results_time_value_mean_all_time, 3)
            from gold.gld_customer_features where member_id = '1' and feature_timestamp = '2021-02-20'
        """
        assert rows(folder, query) == [(34, 3, 39, 4586.831)]
        assert "status" in (folder / "models/silver/slv_results_windows.sql").read_text(encoding="utf-8")
        standings = (folder / "models/silver/slv_standings_windows.sql").read_text(encoding="utf-8")
        assert "'points'" in standings
        points = next(line for line in standings.splitlines() if "'name': 'points'" in line)
        assert "last" in points
        assert "'sum'" not in points


class TestOutcomes:
    """What churn is."""

    def test_13_two_numbers_without_a_name(self, made):
        result = made("13", "a --data one_two.csv --outcome churn")
        assert round(outcome_share(result), 3) == 0.153
        assert any("--positive" in review for review in result["reviews"])
        result = made("13", "b --data minus_one.csv --outcome churn")
        assert round(outcome_share(result), 3) == 0.116

    def test_14_a_line_that_describes_the_columns(self, made):
        for arguments in ("a", "b --positive 'Attrited Customer'"):
            result = made("14", f"{arguments} --data cards.csv --outcome Attrition_Flag")
            assert result["sources"]["cards"] == {"use": "labels", "rows": 151, "kept": 150}
            assert round(outcome_share(result), 3) == 0.207

    @pytest.mark.parametrize(
        ("name", "outcome", "entity", "count"),
        [
            ("cards", "Attrition_Flag", "clientnum", 150),
            ("no_id", "Churn", "row_number", 180),
            ("phone", "Churn?", "phone", 180),
        ],
    )
    def test_15_any_key_of_a_snapshot(self, made, name, outcome, entity, count):
        result = made("15", f"{name} --data {name}.csv --outcome {outcome}")
        assert (result["entity"], result["sources"][name]["kept"]) == (entity, count)

    def test_25_labels_are_in_the_clock_of_the_events(self, built):
        labels = "--labels labels.csv --horizon 30d --val-from 2024-03-01 --test-from 2024-04-01"
        folder = built("25", f"out --data orders.csv {labels}", "+gld_customer_features")
        query = """
            select count(*), sum(orders_count_7d) from gold.gld_customer_features
            where feature_timestamp = '2024-02-29 22:00:00'
        """
        assert rows(folder, query) == [(40, 0)]

    def test_30_subscriptions_with_a_cancel_date(self, made, built):
        by_table = made("30", "a --data subscriptions.csv")
        by_column = made("30", "b --data subscriptions.csv --outcome Status")
        assert by_table["outcome"] == by_column["outcome"] == "end_date"
        assert by_table["findings"]["preview"] == by_column["findings"]["preview"]
        folder = built("30", "a --data subscriptions.csv", "+gld_churn_labels")
        ((compared, at_risk, churned),) = rows(folder, """
            with spans as (
                select "Customer ID" as customer_id, "Created (UTC)"::timestamp as started_at,
                    nullif("Canceled At (UTC)", '')::timestamp as ended_at from raw.subscriptions
            )
            select count(*), count(*) filter (not (started_at < t and (ended_at is null or ended_at >= t))),
                count(*) filter (churned != (ended_at is not null and ended_at < t + interval 90 day)::int)
            from (select *, feature_timestamp as t from gold.gld_churn_labels where label_available_flag)
            inner join spans using (customer_id)
        """)  # fmt: skip
        assert compared > 1000
        assert (at_risk, churned) == (0, 0)

    def test_31_values_are_shown_as_they_stand(self, made):
        result = made("31", "out --data customers.csv --outcome 'Customer Status'")
        assert "np.str_" not in json.dumps(result["findings"])
        assert ["customers.Churn Category", "its name suggests the outcome", ""] in result["unused"]


@pytest.mark.parametrize("number", [pytest.param("01", marks=pytest.mark.thorough), "02", "36"])
def test_models_are_trained(built, number):
    """Honest counts are no leak, repeated values no crash, and nobody has to stay throughout."""
    arguments = {
        "01": "out --data logins.csv --horizon 14d",
        "02": "out --data logins.csv --horizon 14d",
        "36": "out --data orders.csv --horizon 90d --active-window 180d",
    }
    folder = built(number, arguments[number])
    train_only(folder)
    ((middle,),) = rows(folder, "select quantile_disc(feature_timestamp, 0.5) from gold.gld_customer_features")
    assert command_here(folder, "replay", "--as-of", str(middle)).returncode == 0
    trained = command_here(folder, "train")
    assert trained.returncode == 0, trained.stderr


def texts(path: Path, name: str) -> list[str]:
    """The values of a column, as they stand in a file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


def amount(text: str) -> Decimal:
    """An amount in one of the notations of case 12."""
    negative = "(" in text or text.endswith("-")
    number = Decimal("".join(c for c in text if c.isdigit() or c == "."))
    return -number if negative else number
