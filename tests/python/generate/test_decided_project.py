"""A project in which everything was accepted builds, and builds again after much was rejected."""

from __future__ import annotations

import contextlib
import io
import json
import re
from functools import partial
from pathlib import Path

import pytest

from python_ml.generate.examination import examine_again
from python_ml.generate.project import create_project, generate_project, recommend_project
from python_ml.leakage import find_leaks
from python_ml.plan import Recommendations
from tests.python.command_line import retention, rows
from tests.python.decided_world import shop_files, table_file
from tests.python.generate.building import build, built
from tests.python.generate.test_project_files import texts
from tests.python.labelled_world import world
from tests.python.plan.planning import examined, proposed
from tests.python.raw_shop import events


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("generate")
    files = shop_files(folder / "data")
    return built(folder / "shop", *files, decide=lambda r: r.accept("*"), horizon="30d", entity=("customer_id",))


def test_what_was_accepted_does_what_its_reason_says(shop) -> None:
    bronze = "bronze.brz_shop__orders"
    assert rows(shop, f"select max(quantity) < 100, min(quantity) < 0 from {bronze}") == [(True, True)]
    assert rows(shop, f"select count(*) from {bronze} where channel = 'N/A'") == [(0,)]
    assert rows(shop, f"select count(distinct product_code) from {bronze}") == [(25,)]
    counts = dict(
        rows(shop, "select outcome, row_count from bronze.brz_row_counts where source_table = 'shop__orders'")
    )
    assert counts["exact copy"] == 12
    ratio = next(a for a in Recommendations.read(shop / "recommendations.yaml") if a.action == "interaction")
    short, long = ratio.of
    wrong = rows(shop, f"""
        select count(*) from gold.gld_customer_features
        where {ratio.subject} is distinct from case when {long} > 0 then {short} / {long} end
    """)  # fmt: skip
    assert wrong == [(0,)]
    columns = [name for (name,) in rows(shop, f"select column_name from (describe {bronze})")]
    assert not {"note", "currency"} & set(columns)


def test_what_was_rejected_is_gone_and_the_rest_still_builds(shop) -> None:
    path = shop / "recommendations.yaml"
    edited = shop / "models/silver/slv_spine.sql"
    edited.write_text(edited.read_text(encoding="utf-8") + "-- mine\n", encoding="utf-8")
    before = Recommendations.read(path)
    assert before.counts["applied"] == len(before)
    before.reject(
        "bronze.*.deduplicate.*",
        "bronze.orders.drop_copies.rows",
        "bronze.orders.derive.*",
        "bronze.orders.flag_reversals.*",
        "silver.visits.link.*",
        "silver.cards.use.*",
        "silver.orders.window.all_time",
        "silver.orders.measure.tariff",
        "gold.*",
    ).write(path)
    written, planned, _ = generate_project(shop)
    assert set(written.removed) >= {
        "models/silver/slv_visits_windows.sql",
        "models/silver/slv_cards_attributes.sql",
        "models/silver/slv_returns_windows.sql",
    }
    assert written.conflicts == ["models/silver/slv_spine.sql"]  # returns are activity now
    assert "-- mine" in edited.read_text(encoding="utf-8")
    (shop / "models/silver/slv_spine.sql.new").replace(edited)
    assert not [name for name in planned.not_applied if "gold" in name]
    build(shop)
    columns = [name for (name,) in rows(shop, "select column_name from (describe gold.gld_customer_features)")]
    assert columns
    assert not [
        n for n in columns
        if n.endswith("all_time") or n.startswith(("visits", "card_", "returns", "orders_tariff"))
    ]  # fmt: skip
    assert generate_project(shop)[0].written == []


@pytest.mark.parametrize("kind", ["labels", "table"])
def test_profiling_the_same_files_again_changes_nothing(tmp_path, kind) -> None:
    home = tmp_path / "project"
    if kind == "labels":
        made = world(customers=120)
        visits, labels = made.write_visits(tmp_path / "visits.csv"), made.write_labels(tmp_path / "labels.csv")
        examination = examined(visits, labels=labels, horizon="30d", folder=home)
    else:
        examination = examined(table_file(tmp_path), outcome="Churn", probe=find_leaks, folder=home)
    create_project(home, examination, proposed(examination).accept("*"))
    before = texts(home)
    merged, changes = recommend_project(home, partial(examine_again, home, probe=find_leaks))
    assert not (changes.new or changes.vanished or changes.gone)
    assert merged.counts["applied"] == len(merged)
    written, planned, _ = generate_project(home)
    assert planned.not_applied == {}
    assert not (written.written or written.conflicts or written.removed)
    assert texts(home) == before


def test_the_command_line_decides_and_generates(tmp_path, monkeypatch, capsys) -> None:
    run = partial(retention, monkeypatch, capsys)
    files = shop_files(tmp_path / "data", orders=1200)
    home = tmp_path / "shop"
    code, out, err = run("init", home, "--data", *files, "--entity", "customer_id", "--horizon", "30d")
    assert code == 0, err
    assert "recommendations are not decided" in out
    decisions = ("--accept", "bronze.orders.fold_case.*", "--reject", "silver.*.window.all_time")
    code, out, err = run("recommend", "--project-dir", home, *decisions)
    assert code == 0, err
    assert "1 accepted, but not applied yet" in out
    (home / "models/gold/gld_customer_features.sql").write_text("select 1 as mine\n")
    code, out, err = run("generate", "--project-dir", home, "--json")
    assert code == 0, err
    result = json.loads(out)
    assert "models/bronze/shop/brz_shop__orders__checked.sql" in result["written"]
    assert "models/gold/gld_customer_features.sql" in [*result["edited"], *result["conflicts"]]
    assert result["not_applied"] == {}
    assert "count_all_time" not in (home / "models/gold/_gold__features.yml").read_text(encoding="utf-8")
    profile = home / "docs" / "profile" / "findings.yaml"
    before = profile.read_bytes()
    profile.unlink()
    code, out, err = run("recommend", "--project-dir", home, "--refresh", "--json")
    assert code == 0, err
    assert profile.read_bytes() == before
    again = {entry["id"]: entry["status"] for entry in json.loads(out)["recommendations"]}
    assert again["silver.orders.window.all_time"] == "rejected"
    assert again["bronze.orders.fold_case.product_code"] == "applied"
    assert json.loads(out)["new"] == json.loads(out)["vanished"] == []
    code, _, err = run("recommend", "--project-dir", home, "--accept", "silver.nothing")
    assert code == 2
    assert "There is no recommendation" in err
    code, _, err = run("generate", "--project-dir", tmp_path)
    assert code == 2
    assert "retention init" in err


def test_the_example_of_the_guide_runs(repository, tmp_path, monkeypatch) -> None:
    text = (repository / "docs/guides/your_own_data.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"## From Python\n\n```python\n(.*?)```", text, re.DOTALL)
    events(tmp_path / "orders.csv", rows=3000)
    lines = [f"C{n:03d},{'ns'[n % 2]},{n % 2}" for n in range(80)]
    (tmp_path / "customers.csv").write_text("\n".join(["customer_id,region,churned", *lines]) + "\n")
    monkeypatch.chdir(tmp_path)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(compile(example, "your_own_data.md", "exec"), {})
    decided = Recommendations.read(tmp_path / "my_shop/recommendations.yaml")
    assert decided["silver.orders.window.7d"].status == decided["silver.orders.window.all_time"].status == "rejected"
    features = (tmp_path / "my_shop/models/gold/_gold__features.yml").read_text(encoding="utf-8")
    assert "orders_amount_slope_30d" in features
    assert "orders_count_all_time" not in features
    assert "customer_id" in shown.getvalue()
