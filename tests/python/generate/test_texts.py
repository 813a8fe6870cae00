"""Free text from the raw file to gold: proposed, decided, in the code, and built with an engine that needs no model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner

from python_ml.generate.project import create_project
from python_ml.generate.render import render
from python_ml.plan import Recommendations
from python_ml.plan.schema import LabelTable
from python_ml.text import components
from python_ml.text.engines import TextModel
from tests.python.plan.planning import day, examined, proposed, write_tables
from tests.python.text.word_engine import WordEngine

THINGS = ["box", "lamp", "mug", "parcel", "chair", "clock", "invoice", "basket"]
SAID = [
    "The {} number {} arrived broken, please help", "Where is my {}? I have been waiting for {} days",
    "Das {} ist nicht angekommen, ich warte seit {} Tagen", "thanks, the {} is fine and so are the other {}",
]  # fmt: skip
BODY, COMMENT = "silver.tickets.text_features.body", "silver.lines.text_features.comment"
NOTE = "silver.members.text_features.note"


@pytest.fixture(scope="module")
def examination(tmp_path_factory):
    """Orders, their lines (linked, with a comment), tickets (with a body) and members (with a note)."""
    folder = tmp_path_factory.mktemp("texts")
    paths = write_tables(
        folder / "data",
        orders=[
            {"order_id": f"O{n}", "member_id": f"M{n % 40}", "ordered_at": day(n * 7 % 400), "amount": n % 90}
            for n in range(900)
        ],
        lines=[
            {"line_id": f"L{n}", "order_id": f"O{n % 900}", "comment": SAID[n % 4].format(THINGS[n % 8], n % 150)}
            for n in range(1000)
        ],
        tickets=[
            {"ticket_id": f"T{n}", "member_id": f"M{n * 3 % 40}", "opened_at": day(n * 11 % 390),
             "channel": "abc"[n % 3], "body": "" if n % 9 == 0 else SAID[n % 4].format(THINGS[n % 8], n % 60)}
            for n in range(500)
        ],
        members=[
            {"member_id": f"M{n}", "region": "ns"[n % 2], "note": f"She likes the {THINGS[n % 8]} {n} and wants more"}
            for n in range(40)
        ],
    )  # fmt: skip
    return examined(*paths, horizon="30d", folder=folder / "shop")


@pytest.fixture(scope="module")
def recommendations(examination) -> Recommendations:
    return proposed(examination)


def test_what_is_proposed(recommendations) -> None:
    body, comment, note = (recommendations[name] for name in (BODY, COMMENT, NOTE))
    assert [(a.status, a.components) for a in (body, comment, note)] == [
        ("accepted", 8), ("accepted", 8), ("proposed", 8),
    ]  # fmt: skip
    assert body.aggregates == ["mean", "stddev", "slope", "last"]
    assert len(body.windows) == 2
    assert body.windows[-1] == "all_time"
    assert (note.aggregates, note.windows) == (None, None)
    assert "overwritten" in note.reason
    assert "40 different texts" in note.reason
    figures = body.evidence
    assert (figures["rows"], figures["blank_share"]) == (444, 0.112)
    assert figures["languages"] == ["English 75%", "German 25%"]
    assert figures["p95_length"] >= figures["median_length"] > 30
    assert "English 75%, German 25%" in body.reason
    assert {a.subject for a in recommendations if a.action == "text_features"} == {"body", "comment", "note"}
    # never a category, never cleaned as one
    others = {a.action for a in recommendations if a.action != "text_features" and "body" in a.columns}
    assert others == set()


def test_rejected_text_stays_unused_with_the_reason(examination, recommendations) -> None:
    planned = examination.planned(recommendations.reject("silver.*.text_features.*"))
    unused = {name: reason for name, reason, _ in planned.plan.unused}
    assert unused["tickets.body"] == f"free text; not accepted: {BODY}"
    assert unused["members.note"] == f"free text; not accepted: {NOTE}"
    files = render(planned.plan, examination.profile, recommendations)
    assert not [path for path in files if "texts" in path]
    assert "ref('brz_shop__tickets')" in files["models/silver/slv_tickets_windows.sql"]
    assert "not used: free text" in files["README.md"]


def test_the_pages_say_what_becomes_of_texts(examination, recommendations) -> None:
    plan = examination.planned(recommendations).plan
    files = render(plan, examination.profile, recommendations)
    for text in ("tickets.body", "lines.comment"):
        assert f"`{text}`" in files["README.md"]
        assert f"`{text}`" in files["docs/pipeline.md"]
    assert "customer-retention[text]" in files["README.md"]
    assert "| `tickets` | `body` | `body` | 8 components of the text |" in files["README.md"]


def test_a_window_that_was_rejected_is_not_looked_through(examination, recommendations) -> None:
    short, long = recommendations[BODY].windows
    planned = examination.planned(recommendations.reject(f"silver.tickets.window.{short}"))
    assert planned.plan.source("tickets").texts[0].windows == (long,)
    assert not [c.name for c in planned.plan.features if "body_shift" in c.name]
    planned = examination.planned(recommendations.change(BODY, windows=["3d"]))
    assert planned.not_applied[BODY] == "none of its windows is a window of tickets"


def test_columns_of_components_do_not_replace_those_of_the_file(examination, recommendations) -> None:
    planned = examination.planned(recommendations)
    tickets = planned.plan.source("tickets")
    twin = replace(tickets.column("channel"), name="body_pc2")
    plan = planned.plan.with_source(replace(tickets, columns=(*tickets.columns, twin), texts=()))
    with pytest.raises(Exception, match="has a column body_pc2 of its own"):
        recommendations[BODY].apply(plan)


def test_who_is_at_risk_and_who_churned_never_depend_on_components(examination, recommendations) -> None:
    """Components are fitted on texts before training ends, which labels say: labels that read them would be a cycle."""
    plan = examination.planned(recommendations.accept("*")).plan
    files = render(plan)
    readers = {path for path, text in files.items() if path.endswith((".sql", ".py")) and "slv_tickets')" in text}
    assert readers == {"models/silver/slv_tickets_windows.sql"}
    source = plan.source("lines")
    assert plan.model(source) == "slv_lines"
    assert plan.rows_with_texts(source) == "slv_lines_with_texts"
    labels = replace(plan.source("tickets"), name="labels")
    assert plan.rows_with_texts(labels) == "slv_labels_with_texts"


@pytest.fixture(scope="module")
def project(examination, recommendations) -> Path:
    """The project, with three components and built."""
    chosen = recommendations.accept(NOTE)
    for name in (BODY, COMMENT, NOTE):
        chosen = chosen.change(name, components=3)
    home = Path(examination.profile.tables[0].table.path).parent.parent / "shop"
    create_project(home, examination, chosen)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("RETENTION_PROJECT_DIR", str(home))
        patch.delenv("RETENTION_DUCKDB_PATH", raising=False)
        patch.setattr(components, "find_model", lambda *_: TextModel("words:1", "words"))
        patch.setattr(components, "load_engine", lambda *_: WordEngine())
        done = dbtRunner().invoke(
            ["build", "--quiet", "--project-dir", str(home), "--profiles-dir", str(home), "--exclude",
             "gld_churn_scores_raw+", "gld_churn_reasons_raw+", "gld_retention_actions_raw+"]
        )  # fmt: skip
    DuckDBConnectionManager.close_all_connections()
    assert done.success, [r.message for r in getattr(done.result, "results", ()) if r.status not in ("success", "pass")]
    return home


@pytest.fixture(scope="module")
def warehouse(project):
    with duckdb.connect(str(project / "warehouse.duckdb"), read_only=True) as connection:
        yield connection


def test_each_row_has_the_components_of_its_text(warehouse) -> None:
    for rows, texts, column in (
        ("slv_tickets", "slv_tickets_body_texts", "body"),
        ("slv_lines_with_texts", "slv_lines_comment_texts", "comment"),
        ("slv_members", "slv_members_note_texts", "note"),
    ):
        wrong, with_text, distinct = warehouse.execute(f"""
            select
                count(*) filter (where ({column} is null) <> ({column}_pc1 is null)), count({column}),
                count(distinct ({column}, {column}_pc1, {column}_pc2, {column}_pc3)) filter (where {column} is not null)
            from silver.{rows}
        """).fetchone()
        assert (wrong, with_text > 0) == (0, True), rows
        assert warehouse.execute(f"select count(*) from silver.{texts}").fetchone() == (distinct,)


def test_gold_holds_what_the_components_say(warehouse) -> None:
    """The mean over 30 days, computed again from bronze and the components of each text."""
    ((differences, rows),) = warehouse.execute("""
        with again as (
            select s.member_id, s.feature_timestamp, avg(c.pc1) as mean, count(t.body) as texts
            from silver.slv_spine as s
            left join bronze.brz_shop__tickets as t
                on t.member_id = s.member_id and t.opened_at < s.feature_timestamp
                and t.opened_at >= s.feature_timestamp - interval 30 days
            left join silver.slv_tickets_body_texts as c on md5(t.body) = c.text_hash
            group by all
        )
        select
            count(*) filter (
                where f.tickets_body_pc1_mean_30d is distinct from mean
                and coalesce(abs(f.tickets_body_pc1_mean_30d - mean) > 1e-9, true)
                or f.tickets_body_characters_count_30d <> texts
            ),
            count(mean)
        from again inner join gold.gld_customer_features as f using (member_id, feature_timestamp)
    """).fetchall()
    assert (differences, rows > 100) == (0, True)
    names = [name for (name,) in warehouse.execute("""
        select column_name from information_schema.columns
        where table_name = 'gld_customer_features' and column_name like '%\\_pc1%' escape '\\'
    """).fetchall()]  # fmt: skip
    assert {"tickets_body_pc1_slope_all_time", "lines_comment_pc1_last_all_time", "member_note_pc1"} <= set(names)
    filled = ", ".join(f"count({name})" for name in [*names, "tickets_body_shift_30d", "member_note_characters"])
    assert min(warehouse.execute(f"select {filled} from gold.gld_customer_features").fetchone()) > 0


def test_the_shift_is_how_far_recent_texts_are_from_earlier_ones(warehouse) -> None:
    means = ", ".join(
        f"avg(pc{n}) filter (where {recent}is_recent) as {name}{n}"
        for name, recent in (("recent", ""), ("earlier", "not "))
        for n in (1, 2, 3)
    )
    ((differences, rows),) = warehouse.execute(f"""
        with visible as (
            select s.member_id, s.feature_timestamp, c.*,
                t.opened_at >= s.feature_timestamp - interval 30 days as is_recent
            from silver.slv_spine as s
            inner join bronze.brz_shop__tickets as t on t.member_id = s.member_id and t.opened_at < s.feature_timestamp
            inner join silver.slv_tickets_body_texts as c on md5(t.body) = c.text_hash
        ),
        means as (select member_id, feature_timestamp, {means} from visible group by all),
        again as (
            select *, sqrt(
                (recent1 - earlier1) ** 2 + (recent2 - earlier2) ** 2 + (recent3 - earlier3) ** 2
            ) as distance
            from means
        )
        select
            count(*) filter (
                where (distance is null) <> (tickets_body_shift_30d is null)
                or abs(distance - tickets_body_shift_30d) > 1e-9
            ),
            count(distance)
        from again inner join gold.gld_customer_features using (member_id, feature_timestamp)
    """).fetchall()
    assert (differences, rows > 50) == (0, True)


def test_a_table_with_an_outcome_brings_its_texts_as_attributes(tmp_path) -> None:
    rows = [
        {
            "customer_id": f"C{n}",
            "tenure": n % 40,
            "remark": SAID[n % 3].format(THINGS[n % 8], n),
            "Churn": "yn"[n % 3 > 0],
        }
        for n in range(300)
    ]
    made = examined(*write_tables(tmp_path / "data", people=rows), outcome="Churn")
    plan = made.planned(proposed(made)).plan
    assert isinstance(plan.outcome, LabelTable)
    files = render(plan)
    assert "known_at=[]" in files["models/silver/slv_people_remark_texts.py"]
    attributes = files["models/silver/slv_people_attributes.sql"]
    assert "from {{ ref('slv_people') }}" in attributes
    assert "cast(remark_pc8 as double)" in attributes
    metas = {c.name: c.meta for c in plan.features}
    assert metas["remark_pc1"]["fitted"] == "people.remark"
    assert "fitted" not in metas["remark_characters"]
