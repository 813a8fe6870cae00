"""A project of linked files: what comes out of dbt is what was worked out row by row with the data."""

from __future__ import annotations

import json
from collections import Counter

import pytest
import yaml

from tests.python.command_line import command_here, rows
from tests.python.generate.building import build
from tests.python.raw_chain import chain

LINKED = ("orders", "order_items", "scans")
KEYS = {"orders": "order_id", "order_items": "item_id", "scans": "scan_id"}


@pytest.fixture(scope="module")
def world():
    return chain()


@pytest.fixture(scope="module")
def project(world, tmp_path_factory):
    """Made by `retention init` from the files of a chain, and built by dbt."""
    folder = tmp_path_factory.mktemp("linked")
    (folder / "data").mkdir()
    paths = [str(path) for path in world.write(folder / "data")]
    made = command_here(folder, "init", "shop", "--data", *paths, "--horizon", "60d", "--yes")
    assert made.returncode == 0, made.stderr
    return build(folder / "shop")


@pytest.mark.parametrize("table", LINKED)
def test_every_row_has_the_customer_that_it_leads_to(project, world, table):
    made = dict(rows(project, f"select {KEYS[table]}, cust_id from silver.slv_{table}"))
    assert made == {k: customer for (name, k), customer in world.customer.items() if name == table}


@pytest.mark.parametrize("table", LINKED)
def test_no_row_is_known_before_what_it_was_linked_through(project, world, table):
    made = dict(rows(project, f"select {KEYS[table]}, known_at from silver.slv_{table}"))
    assert made == {k: known for (name, k), known in world.known.items() if name == table}


@pytest.mark.parametrize("table", LINKED)
def test_rows_that_lead_nowhere_are_quarantined_with_a_reason(project, world, table):
    counted = {
        outcome: count
        for name, outcome, count in rows(project, "from silver.slv_link_counts")
        if name == table and outcome != "kept"
    }
    assert counted == Counter(reason for (name, _), reason in world.reasons.items() if name == table)
    aside = rows(project, f"select quarantine_reason, count(*) from silver.slv_{table}__quarantine group by 1")
    assert dict(aside) == counted
    if table == "orders":
        assert set(counted) == {"missing card_no", "unknown card_no", "ambiguous card_no"}


def test_findings_predict_what_dbt_counts(project):
    findings = yaml.safe_load((project / "findings.yaml").read_text(encoding="utf-8"))
    files = {f["source"]: f for f in findings["files"]}
    for table in LINKED:
        counts = {o: n for name, o, n in rows(project, "from silver.slv_link_counts") if name == table}
        assert files[table]["rows_kept"] == counts.pop("kept")
        assert files[table]["rows_unlinked"] == counts
    assert files["cards"]["rows_quarantined"] == {"duplicate card_no": 2}
    relations = {(r["from"], r["to"]): r for r in findings["relations"]}
    assert relations["orders.card_no", "cards.card_no"]["spelling"] == "zeros"
    assert relations["order_items.order_id", "orders.order_id"]["spelling"] == "case"
    assert relations["order_items.order_id", "orders.order_id"]["brings"] == ["cust_id", "ordered_at"]
    assert relations["scans.item_id", "order_items.item_id"]["brings"] == ["cust_id"]
    assert relations["cards.cust_id", "customers.id"]["kind"] == "n:1"


def test_the_readme_lists_relations(project):
    readme = (project / "README.md").read_text(encoding="utf-8")
    (line,) = [
        li for li in readme.splitlines() if li.startswith("| `order_items.order_id` | `orders.order_id` | n:1 |")
    ]
    assert "cust_id" in line
    assert "ordered_at" in line


def test_bronze_stays_one_source_table_each(project):
    for table in LINKED:
        for path in (project / "models/bronze/shop").glob(f"brz_shop__{table}*.sql"):
            text = path.read_text(encoding="utf-8")
            assert "cust_id" not in text
            assert text.count("ref(") + text.count("source(") == 1


def test_features_count_only_what_was_known(project):
    (wrong,) = rows(
        project,
        """
        select count(*) filter (where features.scans_count_all_time != (
            select count(*) from silver.slv_scans as e
            where e.cust_id = features.cust_id and e.known_at < features.feature_timestamp
        )), count(*)
        from gold.gld_customer_features as features
        """,
    )
    assert wrong[0] == 0
    assert wrong[1] > 100


def test_replay_is_exact(project):
    moment = rows(project, "select max(feature_timestamp) from gold.gld_training_set")[0][0]
    outcome = command_here(project, "replay", "--as-of", str(moment), "--json")
    assert outcome.returncode == 0, outcome.stderr
    replays = json.loads(outcome.stdout)["replays"]
    assert len(replays) == 1
    for replay in replays:
        assert replay["identical"], replay
        assert replay["rows"] > 0
