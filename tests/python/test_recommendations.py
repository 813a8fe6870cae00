"""Recommendations: proposed of findings, decided in YAML or Python, and obeyed by what is generated."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from python_ml.errors import UserError
from python_ml.onboarding.examination import DataArgument
from python_ml.onboarding.found import FILE as FINDINGS
from python_ml.onboarding.found import read_found, write_found
from python_ml.onboarding.looking import Told, look
from python_ml.recommendations import ACTIONS, Recommendations
from python_ml.recommendations.projects import create_project, recommend_project, render_project
from tests.python.decided_world import shop_files, table_file
from tests.python.raw_shop import events


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("decided")


@pytest.fixture(scope="module")
def worlds(folder) -> dict:
    """Findings of a shop and of a table with a target."""
    shop = look(
        [DataArgument(path) for path in shop_files(folder / "data")],
        Told(horizon="30d", entity="customer_id"),
        folder / "shop",
    )
    table = look([DataArgument(table_file(folder / "data"))], Told(target="Churn"), folder / "table")
    return {"shop": shop, "table": table}


ORDERS = "models/bronze/shop/brz_shop__orders__checked.sql"
VISITS = "models/bronze/shop/brz_shop__visits__checked.sql"
WINDOWS = "models/silver/slv_orders_windows.sql"
TABLE = "models/gold/gld_customer_features.sql"

# action -> (world, id, file, what stands there when it is obeyed)
CASES = {
    "read_as": ("shop", "bronze.orders.read_as.unit_price", ORDERS, "to_decimal('unit_price'"),
    "null_values": ("shop", "bronze.orders.null_values.channel", ORDERS, "text_literal('N/A')"),
    "fold_case": ("shop", "bronze.orders.fold_case.product_code", ORDERS, "lower("),
    "cap": ("shop", "bronze.orders.cap.quantity", ORDERS, "customer_retention.capped("),
    "deduplicate": ("shop", "bronze.visits.deduplicate.visit_id", VISITS, "duplicate visit_id"),
    "drop_copies": ("shop", "bronze.orders.drop_copies.rows", ORDERS, "exact copy"),
    "derive": ("shop", "bronze.orders.derive.line_amount", ORDERS, "as line_amount"),
    "flag_reversals": ("shop", "bronze.orders.flag_reversals.returns", ORDERS, "is_reversal"),
    "link": ("shop", "silver.visits.link.card_no", "models/silver/slv_visits__linked.sql", "left join cards"),
    "drop_column": ("shop", "silver.orders.drop_column.currency", "models/bronze/shop/brz_shop__orders.sql", None),
    "setting": ("shop", "silver.spine.setting.step", "dbt_project.yml", "step: "),
    "tenure": ("shop", "silver.cards.tenure.issued_at", "models/silver/slv_cards_windows.sql", "source='cards'"),
    "attribute": ("table", "silver.people.attribute.tenure", TABLE, "as tenure"),
    "measure": ("shop", "silver.orders.measure.product_code", WINDOWS, "'name': 'product_code'"),
    "window": ("shop", "silver.visits.window.all_time", "models/gold/_gold__features.yml", "visits_count_all_time\n"),
    "interaction": ("shop", None, TABLE, " / nullif(orders_count_"),
    "exclude": ("table", "gold.customer_features.exclude.mails_sent", "retention.yml", "- mails_sent"),
    "transform": ("table", "gold.customer_features.transform.spent", "retention.yml", "spent: log"),
    "scale": ("table", "gold.customer_features.scale.spent", "retention.yml", "spent: robust"),
    "encode": ("table", "gold.customer_features.encode.town", "retention.yml", "town: target"),
}


def test_there_is_a_case_for_every_action() -> None:
    assert set(CASES) == set(ACTIONS)


@pytest.mark.parametrize("action", CASES)
def test_accepted_is_in_the_code_and_rejected_is_not(worlds, action) -> None:
    world, name, file, mark = CASES[action]
    proposed = Recommendations.from_findings(worlds[world])
    name = name or next(p.id for p in proposed if p.action == action)
    assert proposed[name].action == action
    assert proposed[name].reason.endswith(".")
    accepted, obeyed = render_project(worlds[world], proposed.accept(name))
    assert obeyed.recommendations[name].status == "applied"
    assert obeyed.missed == {}
    rejected, obeyed = render_project(worlds[world], proposed.reject(name))
    assert obeyed.recommendations[name].status == "rejected"
    if action == "setting":
        step = proposed[name].parameters["value"]
        assert f"step: {step}\n" in accepted[file]
        assert step != "7d"
        assert "step: 7d\n" in rejected[file]
    elif action == "drop_column":
        assert "currency" not in accepted[file]
        assert "currency" in rejected[file]
    else:
        assert mark in accepted[file]
        assert mark not in rejected.get(file, "")
    assert name in rejected["docs/pipeline.md"]


@pytest.mark.parametrize(
    ("world", "name", "parameters", "file", "mark"),
    [
        ("shop", "bronze.orders.cap.quantity", {"high": 12}, ORDERS, "high=12)"),
        ("shop", "bronze.orders.null_values.channel", {"values": ["N/A", "it's {{ 1 }}"]}, ORDERS, "it\\x27s \\x7b"),
        ("shop", "bronze.orders.read_as.unit_price", {"scale": 4}, ORDERS, "to_decimal('unit_price', 18, 4)"),
        ("shop", "bronze.orders.fold_case.product_code", {"case": "upper"}, ORDERS, "upper("),
        ("shop", "silver.spine.setting.horizon", {"value": "45d"}, "dbt_project.yml", "horizon: 45d"),
        ("shop", "silver.orders.measure.quantity", {"aggregates": ["min", "slope"]}, WINDOWS, "['min', 'slope']"),
        ("shop", "silver.orders.window.all_time", {"window": "21d"}, "dbt_project.yml", "21d"),
        ("table", "gold.customer_features.transform.spent", {"how": "rank"}, "retention.yml", "spent: rank"),
    ],
)
def test_changed_parameters_are_obeyed(worlds, world, name, parameters, file, mark) -> None:
    proposed = Recommendations.from_findings(worlds[world]).accept(name).change(name, **parameters)
    files, obeyed = render_project(worlds[world], proposed)
    assert mark in files[file]
    assert obeyed.missed == {}


def test_what_hangs_on_a_rejected_proposal_goes_with_it(worlds) -> None:
    proposed = Recommendations.from_findings(worlds["shop"])
    files, obeyed = render_project(worlds["shop"], proposed.reject("bronze.orders.read_as.quantity"))
    assert "line_amount" not in files[ORDERS]
    assert "is_reversal" not in files[ORDERS]
    assert set(obeyed.missed) == {"bronze.orders.derive.line_amount", "bronze.orders.flag_reversals.returns",
                                  "silver.returns.measure.line_amount", "silver.orders.measure.line_amount",
                                  "silver.orders.measure.quantity"} & set(obeyed.missed)  # fmt: skip
    assert obeyed.recommendations["bronze.orders.derive.line_amount"].status == "accepted"
    files, _ = render_project(worlds["shop"], proposed.reject("silver.visits.link.*"))
    assert not [name for name in files if "slv_visits" in name]
    assert "visits_" not in files["models/gold/_gold__features.yml"]


def test_what_nobody_decided_is_not_in_the_code_either(worlds) -> None:
    proposed = Recommendations.from_findings(worlds["shop"])
    names = [entry.id for entry in proposed if entry.action in ("window", "read_as", "link", "cap")][::3]
    rejected, _ = render_project(worlds["shop"], proposed.reject(*names))
    open_ones, obeyed = render_project(worlds["shop"], proposed.with_status(dict.fromkeys(names, "proposed")))
    assert {obeyed.recommendations[name].status for name in names} == {"proposed"}
    assert {path for path in rejected if rejected[path] != open_ones.get(path)} == {"docs/pipeline.md"}
    assert set(rejected) == set(open_ones)


def test_rejecting_everything_that_features_need_is_refused(worlds) -> None:
    for world, pattern in (("shop", "silver.*.window.*"), ("table", "silver.people.attribute.*")):
        with pytest.raises(UserError, match="nothing to learn from"):
            render_project(worlds[world], Recommendations.from_findings(worlds[world]).reject(pattern))


@pytest.mark.parametrize("world", ["shop", "table"])
def test_the_file_reads_back_and_does_not_depend_on_the_run(worlds, tmp_path, world) -> None:
    proposed = Recommendations.from_findings(worlds[world])
    path = proposed.write(tmp_path / "recommendations.yaml")
    again = Recommendations.read(path)
    assert again.to_yaml() == proposed.to_yaml() == path.read_text(encoding="utf-8")
    names = [entry["id"] for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["proposals"]]
    assert len(set(names)) == len(names) == len(proposed)
    assert all(re.fullmatch(r"(bronze|silver|gold)\.[a-z0-9_]+\.[a-z_]+\.[a-z0-9_]+", name) for name in names)
    layers = [name.split(".")[0] for name in names]
    assert layers == sorted(layers, key=["bronze", "silver", "gold"].index)
    for entry in again:
        assert entry.evidence or entry.action in ("setting", "window")


@pytest.mark.parametrize("world", ["shop", "table"])
def test_generation_is_a_function_of_findings_and_recommendations(worlds, folder, world) -> None:
    """Stored and read back, without the raw files, the very same project comes out."""
    home = folder / "stored" / world
    (home / FINDINGS).parent.mkdir(parents=True, exist_ok=True)
    (home / FINDINGS).write_text(write_found(worlds[world]), encoding="utf-8")
    back = read_found(home)
    assert write_found(back) == write_found(worlds[world])
    for choice in (Recommendations.from_findings(back), Recommendations.from_findings(back).accept_all()):
        assert render_project(back, choice)[0] == render_project(worlds[world], choice)[0]
    assert str(folder) not in (home / FINDINGS).read_text(encoding="utf-8")


def _text(entry: str) -> str:
    return f"version: 1\nproposals:\n  - id: silver.orders.window.7d\n    reason: Short.\n{entry}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            _text("    layer: silver\n    table: orders\n    action: window\n    parameters: {window: 7 days}\n"),
            "7 days",
        ),
        (_text("    layer: silver\n    table: orders\n    action: widow\n"), "no action `widow`"),
        (_text("    layer: gold\n    table: orders\n    action: window\n"), "belongs to silver"),
        (
            _text("    layer: silver\n    table: visits\n    action: window\n    parameters: {window: 7d}\n"),
            "must read",
        ),
        (_text("    layer: silver\n    table: orders\n    action: window\n    state: accepted\n"), "did you mean"),
        (_text("    layer: silver\n    table: orders\n    action: window\n    status: yes\n"), "status"),
        (
            _text("    layer: silver\n    table: orders\n    action: window\n    parameters: {window: 7d, x: 1}\n"),
            "parameters.x",
        ),
        (
            "version: 1\nproposals:\n  - id: gold.customer_features.interaction.select\n    reason: Mine.\n"
            "    layer: gold\n    table: customer_features\n    action: interaction\n"
            "    parameters: {of: [a, b], how: ratio}\n",
            "select_value can",
        ),
        (
            "version: 1\nproposals:\n  - id: bronze.orders.read_as.day\n    reason: Mine.\n    layer: bronze\n"
            "    table: orders\n    action: read_as\n"
            "    parameters: {type: timestamp, formats: ['%Y }} {{ x']}\n",
            "no pattern of strftime",
        ),
        ("version: 1\nproposals: 3\n", "must be a mapping"),
        ("version: 9\nproposals: []\n", "version 9"),
        ("version: 1\nproposals: [\n", "not valid YAML"),
        ("version: 1\nproposals: [{id: 2024-13-45}]\n", "2024-13-45"),
        ("- !!python/object/apply:os.system [true]\n", "not valid YAML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, told) -> None:
    path = tmp_path / "recommendations.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as refused:
        Recommendations.read(path)
    assert told in str(refused.value)
    assert str(path) in refused.value.where
    if "id: silver" in text:
        assert "line 3, entry silver.orders.window.7d" in refused.value.where


def test_looking_again_keeps_what_a_person_decided(worlds, folder) -> None:
    home = folder / "again"
    found = worlds["shop"]
    create_project(home, found, Recommendations.from_findings(found))
    path = home / "recommendations.yaml"
    decided = (
        Recommendations.read(path)
        .reject("silver.orders.window.all_time", note="too long ago")
        .accept("bronze.orders.cap.quantity")
        .change("bronze.orders.cap.quantity", high=50)
        .add("gold", "customer_features", "interaction", "a_by_b", "Mine.", of=["orders_count_30d", "visits_count_30d"],
             how="product")
    )  # fmt: skip
    decided.write(path)
    same, changes = recommend_project(home)
    assert same.to_yaml() == decided.to_yaml()
    assert not (changes.new or changes.vanished or changes.gone)

    # The data has no outliers and no copies any more; nobody had decided about the copies.
    import dataclasses

    calm = dataclasses.replace(found.values["orders"], copies=0, columns={
        name: dataclasses.replace(column, beyond=0) for name, column in found.values["orders"].columns.items()
    })  # fmt: skip
    merged, changes = recommend_project(
        home, look=lambda stored: dataclasses.replace(stored, values={**stored.values, "orders": calm})
    )
    assert changes.vanished == ["bronze.orders.cap.quantity"]
    assert changes.gone == ["bronze.orders.drop_copies.rows"]
    assert merged["bronze.orders.cap.quantity"].vanished
    assert merged["bronze.orders.cap.quantity"].parameters["high"] == 50
    assert merged["silver.orders.window.all_time"].status == "rejected"
    assert merged["silver.orders.window.all_time"].note == "too long ago"
    assert not merged["gold.customer_features.interaction.a_by_b"].vanished
    files, obeyed = render_project(read_found(home), merged)
    assert "high=50" in files[ORDERS]
    assert "as a_by_b" in files[TABLE]
    assert obeyed.missed == {}
    # They are back: a person's number still stands, and the copies are proposed anew.
    merged, changes = recommend_project(home, look=lambda stored: dataclasses.replace(stored, values=found.values))
    assert changes.new == ["bronze.orders.drop_copies.rows"]
    assert merged["bronze.orders.drop_copies.rows"].status == "proposed"
    assert merged["bronze.orders.cap.quantity"].parameters["high"] == 50
    assert not merged["bronze.orders.cap.quantity"].vanished


def test_figures_behind_proposals_are_true(worlds) -> None:
    proposed = Recommendations.from_findings(worlds["shop"])
    assert proposed["bronze.orders.drop_copies.rows"].evidence["copies"] == 12
    assert proposed["bronze.visits.deduplicate.visit_id"].evidence["copies"] == 3
    assert proposed["bronze.orders.null_values.channel"].parameters["values"] == ["N/A"]
    cap = proposed["bronze.orders.cap.quantity"]
    assert cap.evidence["beyond"] == 2
    assert 8 <= cap.parameters["high"] < 5000
    assert cap.parameters["fitted_before"] < "2024-05-01"
    alike = proposed["gold.customer_features.exclude.orders_tariff"]
    assert alike.evidence["correlation"] == 1
    assert all(name.startswith("orders_tariff_") for name in alike.parameters["features"])


def test_a_name_that_is_none_is_told(worlds) -> None:
    proposed = Recommendations.from_findings(worlds["shop"])
    with pytest.raises(UserError, match=r"did you mean silver.orders.window.all_time"):
        proposed.accept("silver.orders.window.al_time")
    with pytest.raises(UserError, match="no aggregate"):
        proposed.change("silver.orders.measure.quantity", aggregates=["summe"])


def test_the_guide_s_example_runs(repository, tmp_path, monkeypatch, capsys) -> None:
    text = (repository / "docs/guides/your_own_data.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"## From Python\n\n```python\n(.*?)```", text, re.DOTALL)
    events(tmp_path / "orders.csv", rows=3000)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "your_own_data.md", "exec"), {})
    told = {p.id: p for p in Recommendations.read(tmp_path / "my_shop/recommendations.yaml")}
    assert told["silver.orders.window.7d"].status == told["silver.orders.window.all_time"].status == "rejected"
    features = (tmp_path / "my_shop/models/gold/_gold__features.yml").read_text(encoding="utf-8")
    assert "orders_amount_slope_30d" in features
    assert "orders_count_all_time" not in features
    assert "models/gold/_gold__features.yml" in capsys.readouterr().out
