"""`retention init`: from files that may hold anything to a dbt project that builds."""

from __future__ import annotations

import csv
import json
import random
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest
import yaml

from python_ml.generate.package import package_files
from python_ml.ingest import DataArgument, open_tables, scratch_connection
from tests.python.command_line import command, command_here, retention
from tests.python.raw_shop import START, events

EVIL = 'Ünit "price" {{ 1/0 }}; drop table x --'
EVIL_FILE = "ev'il {{ 1 }} [x]*.csv"


def hostile(path: Path, rows: int = 1500) -> Path:
    """Events whose names, values and file name try to get out of their quotes."""
    draw = random.Random(1)
    names = ["Customer ID", "customer id", "order", "Select", "select", EVIL, "it's {% raw %} {# c #}", "date"]
    names += ["is_reversal", "1st", "a\nb", "`tick`", "Quantity", "<script>", "churned", "quantity_raw"]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for number in range(rows):
            at = START + timedelta(minutes=draw.randrange(500 * 1440))
            writer.writerow(
                [
                    *(f"C{draw.randrange(60):04d}", draw.randrange(5), f"O{number // 3}"),
                    draw.choice(["a", "b'; drop table y; --", "{{ 7*7 }}", "{% endraw %}", '"']),
                    *(draw.choice("xyz"), round(draw.random() * 100, 2), draw.choice(["q", "''", '""', "{{x}}"])),
                    *(f"{at:%d/%m/%Y %H:%M}", draw.choice([0, 1]), draw.randrange(9), draw.randrange(9)),
                    *(draw.choice("pq"), draw.choice([1, 2, 3, 4, 5, -1]), draw.choice(["<b>x</b>", "ok"])),
                    *(draw.choice([0, 1]), draw.randrange(9)),
                ]
            )
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A project from hostile events, ordinary tickets and undated people."""
    folder = tmp_path_factory.mktemp("init")
    (folder / "data").mkdir()
    main_file = hostile(folder / "data" / EVIL_FILE)
    tickets = events(
        folder / "data" / "tickets.csv",
        rows=400,
        **{"Customer ID": lambda n: f"C{n % 60:04d}", "ticket_id": lambda n: f"T{n % 397}"},
        topic=lambda n: ["bill", "delivery"][n % 2],
    )
    people = folder / "data" / "people.csv"
    people.write_text("customer_id,segment\n" + "".join(f"C{n:04d},{'ab'[n % 2]}\n" for n in range(60)))
    outcome = command_here(
        folder,
        *("init", str(folder / "1 My-Shöp"), "--data", f"shop={main_file}"),
        *(str(tickets), str(people), "--horizon", "60d", "--entity", "Customer ID", "--json"),
    )
    assert outcome.returncode == 0, outcome.stderr
    (folder / "result.json").write_text(outcome.stdout)
    return folder / "1 My-Shöp"


def generated(project: Path) -> dict[str, str]:
    return {
        str(path.relative_to(project)): path.read_text(encoding="utf-8")
        for path in sorted(project.rglob("*"))
        if path.is_file() and path.relative_to(project).parts[0] not in ("packages", "dbt_packages", "target", "logs")
        and path.suffix in (".sql", ".yml", ".yaml", ".py", ".md")
    }  # fmt: skip


class TestProject:
    def test_nothing_hostile_stands_bare_in_code(self, made):
        for name, text in generated(made).items():
            if name.endswith((".sql", ".yml", ".py")):
                assert "1/0 }}" not in text, name
                assert "; drop table" not in "".join(
                    line for line in text.splitlines() if "raw_column(" not in line and "\\x7b" not in line
                ), name

    def test_the_profile_of_the_files_lies_beside(self, made):
        text = (made / "docs" / "profile" / "findings.yaml").read_text(encoding="utf-8")
        assert {table["table"]["name"] for table in yaml.safe_load(text)["tables"]} == {"shop", "tickets", "people"}
        assert str(made.parent) not in text
        page = (made / "docs" / "profile" / "index.html").read_text(encoding="utf-8")
        assert "tickets" in page
        assert "<script>" not in page

    def test_the_layers_have_the_known_names(self, made):
        models = {Path(name).stem for name in generated(made) if name.startswith("models/")}
        assert {"slv_spine", "slv_observation_period", "slv_shop_windows", "slv_returns_windows"} <= models
        assert {"slv_tickets_windows", "brz_row_counts"} <= models
        for table in ("shop", "tickets", "people"):
            stem = f"brz_project_1_my_shop__{table}"
            assert {stem, f"{stem}__checked", f"{stem}__quarantine"} <= models
        gold = "customer_features churn_labels training_set scoring_set churn_scores churn_reasons churn_scores_raw"
        assert {f"gld_{name}" for name in [*gold.split(), "churn_reasons_raw"]} <= models

    def test_every_feature_is_described_once_and_aliased(self, made):
        text = (made / "models/gold/_gold__features.yml").read_text(encoding="utf-8")
        models = {m["name"]: m for m in yaml.safe_load(text)["models"]}
        features = [c["name"] for c in models["gld_customer_features"]["columns"]]
        assert features[:3] == ["customer_id", "feature_timestamp", "row_fingerprint"]
        features.remove("row_fingerprint")  # it is no feature, and in no other table
        assert [c["name"] for c in models["gld_scoring_set"]["columns"]] == features
        training = [c["name"] for c in models["gld_training_set"]["columns"]]
        assert training == [*features, "label_timestamp", "churned"]
        for name in features:
            assert text.count(f"name: {name}\n") == 1
            assert text.count(f"- *{name}\n") >= 2
        for column in models["gld_customer_features"]["columns"]:
            assert column["description"]
            is_print = column["name"] == "row_fingerprint"
            assert column["config"]["meta"]["role"] in (("fingerprint",) if is_print else ("key", "time", "feature"))
        assert not [n for n in features if "churned" in n or "segment" in n]

    def test_findings_and_readme_hold_what_was_measured(self, made):
        findings = yaml.safe_load((made / "findings.yaml").read_text(encoding="utf-8"))
        result = json.loads((made.parent / "result.json").read_text())
        own = [
            *(".gitignore", ".sqlfluff", ".sqlfluffignore", ".retention/profile.json", ".retention/proposed.json"),
            "docs/profile/index.html",
        ]
        assert set(generated(made)) <= set(result["files"]) | {"recommendations.yaml"}
        assert set(result["files"]) - set(generated(made)) <= {*own, ".retention/generated.json"}
        files = {file["source"]: file for file in findings["files"]}
        assert {name: file["use"] for name, file in files.items()} == {
            "shop": "events", "tickets": "events", "people": "attributes"
        }  # fmt: skip
        columns = files["shop"]["columns"]
        assert next(c["name"] for c in columns if c["role"] == "entity") == "Customer ID"
        assert columns[5]["name"] == EVIL
        assert files["tickets"]["rows_quarantined"] == {"duplicate ticket_id": 3}
        readme = (made / "README.md").read_text(encoding="utf-8")
        assert "`Customer ID`" in readme
        assert "<script>" not in readme.replace("`<script>`", "")

    def test_no_path_of_this_machine_is_written(self, made):
        for name, text in generated(made).items():
            assert str(made.parent) not in text, name
        assert 'raw_dir: "../data"' in (made / "dbt_project.yml").read_text(encoding="utf-8")

    def test_the_package_is_carried_along(self, made):
        files = package_files()
        assert len([name for name in files if name.endswith(".sql")]) > 20
        for name, content in files.items():
            assert (made / name).read_text(encoding="utf-8") == content
        assert (made / "dbt_packages" / "customer_retention" / "dbt_project.yml").is_file()

    def test_the_same_files_give_the_same_project(self, made, tmp_path, monkeypatch, capsys):
        shutil.copytree(made.parent / "data", tmp_path / "data")
        code, _, _ = retention(
            monkeypatch, capsys, "init", tmp_path / "1 My-Shöp",
            "--data", f"shop={tmp_path / 'data' / EVIL_FILE}", tmp_path / "data" / "tickets.csv",
            tmp_path / "data" / "people.csv", "--horizon", "60d", "--entity", "Customer ID",
        )  # fmt: skip
        assert code == 0
        assert generated(tmp_path / "1 My-Shöp") == generated(made)


@pytest.fixture(scope="module")
def built(made) -> Path:
    """The same project, built by plain dbt after `dbt deps` in a moved folder."""
    moved = made.parent / "moved"
    moved.mkdir()
    shutil.move(made.parent / "data", moved / "data")
    project = moved / "shop"
    shutil.copytree(made, project, ignore=shutil.ignore_patterns("dbt_packages"))
    for steps in (["deps"], ["build", "--exclude", "gld_churn_scores_raw+", "gld_churn_reasons_raw+"]):
        outcome = command(project, "dbt", "--no-use-colors", *steps, variables={"RETENTION_THREADS": "2"})
        assert outcome.returncode == 0, outcome.stdout[-4000:]
    assert "WARN=0 ERROR=0 SKIP=0" in outcome.stdout
    shutil.copytree(moved / "data", made.parent / "data")  # other tests read the files where they first lay
    return project


def ask(project: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(query).fetchall()


class TestBuild:
    def test_every_row_arrives(self, built):
        counts = {(t, o): n for t, o, n in ask(built, "from bronze.brz_row_counts")}
        assert counts == {
            ("project_1_my_shop__shop", "kept"): 1277,
            ("project_1_my_shop__shop", "kept: reversal, no activity"): 223,
            ("project_1_my_shop__tickets", "kept"): 397,
            ("project_1_my_shop__tickets", "duplicate ticket_id"): 3,
            ("project_1_my_shop__people", "kept"): 60,
        }

    def test_values_arrive_under_safe_names(self, built):
        with (built.parent / "data" / EVIL_FILE).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        ((total, first, reversals),) = ask(
            built,
            "select sum(unit_price_1_0_drop_table_x), min(event_at), count(*) filter (where is_reversal) "
            "from bronze.brz_project_1_my_shop__shop",
        )
        assert float(total) == pytest.approx(sum(float(r[EVIL]) for r in rows))
        assert first == min(datetime.strptime(r["date"], "%d/%m/%Y %H:%M") for r in rows)
        assert reversals == sum(r["Quantity"] == "-1" for r in rows)
        values = {v for (v,) in ask(built, "select distinct select_value from bronze.brz_project_1_my_shop__shop")}
        assert values == {r["Select"] for r in rows}

    def test_features_are_those_declared(self, built):
        findings = yaml.safe_load((built / "findings.yaml").read_text(encoding="utf-8"))
        columns = [name for name, *_ in ask(built, "describe gold.gld_customer_features")]
        assert len(columns) == findings["features"] + 3  # customer, time, fingerprint

    def test_reversals_are_no_activity(self, built):
        assert ask(
            built,
            """
            select count(*) from gold.gld_customer_features as f
            where shop_count_all_time != (
                select count(*) from bronze.brz_project_1_my_shop__shop as e
                where e.customer_id = f.customer_id and e.event_at < f.feature_timestamp and not is_reversal
            ) or returns_count_all_time != (
                select count(*) from bronze.brz_project_1_my_shop__shop as e
                where e.customer_id = f.customer_id and e.event_at < f.feature_timestamp and is_reversal
            )
            """,
        ) == [(0,)]

    def test_the_newest_feature_time_is_the_last_day(self, built):
        ((newest, last),) = ask(
            built,
            "select (select max(feature_timestamp) from gold.gld_scoring_set), "
            "(select date_trunc('day', max(event_at)) from bronze.brz_project_1_my_shop__shop where not is_reversal)",
        )
        assert newest == last

    def test_a_raw_file_that_is_gone_is_explained(self, built):
        words = ("dbt", "--no-use-colors", "run", "--select", "slv_spine")
        outcome = command(built, *words, variables={"RETENTION_RAW_DIR": "/nowhere"})
        assert outcome.returncode != 0
        assert "is not there" in outcome.stdout
        assert "RETENTION_RAW_DIR" in outcome.stdout

    def test_a_file_whose_columns_moved_is_refused(self, built):
        path = built.parent / "data" / "tickets.csv"
        before = path.read_text(encoding="utf-8")
        try:
            path.write_text(before.replace("customer_id,ordered_at", "ordered_at,customer_id", 1), encoding="utf-8")
            outcome = command(built, "dbt", "--no-use-colors", "run", "--select", "slv_spine")
        finally:
            path.write_text(before, encoding="utf-8")
        assert outcome.returncode != 0
        assert "columns of tickets.csv changed" in outcome.stdout


def test_the_macro_reads_files_as_init_did(built):
    """The view that `attach_raw_files` makes gives the rows that were measured."""
    with scratch_connection() as connection:
        for name, path in (("shop", EVIL_FILE), ("tickets", "tickets.csv"), ("people", "people.csv")):
            (table,) = open_tables(connection, [DataArgument(built.parent / "data" / path, name)])
            measured = connection.execute(f"select * from {table.relation}").fetchall()
            assert ask(built, f"from raw.{name}") == measured


ALIKE = (
    *(f"models/gold/gld_{name}" for name in (
        "scoring_set.sql", "training_set.sql", "churn_scores.sql", "churn_reasons.sql", "churn_scores_raw.py",
        "churn_reasons_raw.py", "retention_actions.sql", "retention_actions_raw.py",
    )),
    *(f"models/gold/without_python/gld_{name}_raw.sql" for name in ("churn_reasons", "retention_actions")),
    *("selectors.yml", "profiles.yml", "macros/generate_schema_name.sql"),
)  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_generated_files_are_those_of_the_reference_project(repository, made, name):
    """What is the same in every project stands twice: in this one and in the templates. They must not drift apart."""
    text = (made / name).read_text(encoding="utf-8").replace("project_1_my_shop", "customer_retention")
    assert text == (repository / name).read_text(encoding="utf-8")


def test_settings_are_those_of_the_reference_project(repository, made):
    ours, reference = (yaml.safe_load((folder / "retention.yml").read_text()) for folder in (made, repository))
    # The reference project has an experiment; a new one names its own.
    experiment = dict.fromkeys(("table", "time", "arm", "control", "probability"))
    assert ours == reference | {"uplift": reference["uplift"] | experiment}
