"""Recommendations: what is accepted is in the generated code, what is rejected is not; the file; merging."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
import yaml

from python_ml.errors import UserError
from python_ml.files import write_text
from python_ml.generate.layout import PROFILE
from python_ml.generate.project import create_project, read_examination, recommend_project
from python_ml.generate.render import render
from python_ml.leakage import find_leaks
from python_ml.plan import Recommendations
from python_ml.plan.actions import ACTIONS
from python_ml.plan.recommendations import FILE
from tests.python.decided_world import shop_files, table_file
from tests.python.plan.planning import START, day, examined, proposed, write_tables


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("decided")


@pytest.fixture(scope="module")
def worlds(folder) -> dict:
    """Profiles of a shop, of a table with an outcome, and of linked tables with a guest, versions and lookups."""
    club = write_tables(
        folder / "club",
        orders=[
            {"order_id": f"O{n}", "member_id": "guest" if n % 9 == 0 else f"M{n % 60}", "ordered_at": day(n * 7 % 400),
             "product_id": f"P{n % 25}", "amount": "" if n % 20 == 1 else n % 90}
            for n in range(1500)
        ],
        products=[{"product_id": f"P{n}", "category": "abc"[n % 3]} for n in range(25)],
        quotes=[
            {"quote_id": f"Q{n // 2}", "member_id": f"M{n // 2 % 60}", "quoted_at": day(n // 2 % 300),
             "updated_at": day(n // 2 % 300 + n % 2 * 9), "price": n % 50}
            for n in range(600)
        ],
        tickets=[
            {"ticket_id": f"T{n}", "member_id": f"M{n % 60}", "opened_at": day(n * 11 % 390),
             "body": f"The {('red', 'blue', 'new')[n % 3]} {('box', 'lamp', 'mug')[n % 2]} number {n % 120} is late"}
            for n in range(480)
        ],
        members=[{"member_id": f"M{n}", "region": "ns"[n % 2], "seats": n % 7} for n in range(60)],
    )  # fmt: skip
    return {
        "shop": examined(*shop_files(folder / "data"), horizon="30d", entity=("customer_id",)),
        "table": examined(table_file(folder / "data"), outcome="Churn", probe=find_leaks, folder=folder / "table"),
        "club": examined(*club, horizon="30d", folder=folder / "club" / "club"),
    }


def files_of(examination, recommendations) -> tuple[dict[str, str], object]:
    """The files, and the plan with what is in it."""
    planned = examination.planned(recommendations)
    return render(planned.plan, examination.profile, recommendations), planned


ORDERS = "models/bronze/shop/brz_shop__orders__checked.sql"
VISITS = "models/bronze/shop/brz_shop__visits__checked.sql"
CLUB = "models/bronze/club/brz_club__orders__checked.sql"
QUOTES = "models/bronze/club/brz_club__quotes__checked.sql"
WINDOWS = "models/silver/slv_orders_windows.sql"
TICKETS = "models/silver/slv_tickets_windows.sql"
FEATURES = "models/gold/_gold__features.yml"
GOLD = "models/gold/gld_customer_features.sql"
PEOPLE = "models/silver/slv_people_attributes.sql"

# action -> (world, id, file, what stands there when it is accepted, parameters to accept it with)
CASES = {
    "read_as": ("shop", "bronze.orders.read_as.unit_price", ORDERS, "to_decimal('unit_price'", {}),
    "null_values": ("shop", "bronze.orders.null_values.channel", ORDERS, "text_literal('N/A')", {}),
    "nobody": ("club", "bronze.orders.nobody.member_id", CLUB, "text_literal('guest')", {}),
    "fold_case": ("shop", "bronze.orders.fold_case.product_code", ORDERS, "lower(", {}),
    "impute": ("club", "bronze.orders.impute.amount", CLUB, "coalesce(amount, ", {"how": "median"}),
    "outliers": ("shop", "bronze.orders.outliers.quantity", ORDERS, "customer_retention.capped(", {}),
    "deduplicate": ("shop", "bronze.visits.deduplicate.visit_id", VISITS, "duplicate visit_id", {}),
    "versions": ("club", "bronze.quotes.versions.quote_id", QUOTES, "as superseded_at", {}),
    "drop_copies": ("shop", "bronze.orders.drop_copies.rows", ORDERS, "exact copy", {}),
    "derive": ("shop", "bronze.orders.derive.line_amount", ORDERS, "as line_amount", {}),
    "flag_reversals": ("shop", "bronze.orders.flag_reversals.returns", ORDERS, "is_reversal", {}),
    "drop_column": ("shop", "bronze.orders.drop_column.currency", "models/bronze/shop/brz_shop__orders.sql", None, {}),
    "link": ("shop", "silver.visits.link.card_no", "models/silver/slv_visits__linked.sql", "left join cards", {}),
    "enrich": ("club", "silver.orders.enrich.products_product_id", FEATURES, "orders_product_category_a_count_", {}),
    "use": ("shop", "silver.visits.use.events", FEATURES, "visits_count_", {}),
    "setting": ("shop", "silver.spine.setting.step", "dbt_project.yml", "step: 14d\n", {}),
    "attribute": ("table", "silver.people.attribute.tenure", PEOPLE, "as tenure", {}),
    "measure": ("shop", "silver.orders.measure.product_code", WINDOWS, "'name': 'product_code'", {}),
    "window": ("shop", "silver.visits.window.all_time", FEATURES, "visits_count_all_time\n", {}),
    "text_features": ("club", "silver.tickets.text_features.body", TICKETS, "customer_retention.text_measures(", {}),
    "cadence": ("shop", "silver.orders.cadence.visits", WINDOWS, "recency_zscore", {}),
    "interaction": ("shop", "gold.customer_features.interaction.*", GOLD, " / nullif(orders_count_", {}),
    "exclude": ("table", "gold.customer_features.exclude.mails_sent", "retention.yml", "- mails_sent", {}),
    "transform": ("table", "gold.customer_features.transform.spent", "retention.yml", "spent: log", {}),
    "scale": ("table", "gold.customer_features.scale.spent", "retention.yml", "spent: robust", {}),
    "encode": ("table", "gold.customer_features.encode.town", "retention.yml", "town: target", {}),
}


def test_there_is_a_case_for_every_action() -> None:
    assert set(CASES) == set(ACTIONS)


@pytest.mark.parametrize("action", CASES)
def test_accepted_is_in_the_code_and_rejected_is_not(worlds, action) -> None:
    world, name, file, mark, parameters = CASES[action]
    recommendations = proposed(worlds[world])
    name = recommendations[name].id
    assert recommendations[name].action == action
    assert recommendations[name].reason.endswith(".")
    chosen = recommendations.accept(name)
    accepted, planned = files_of(worlds[world], chosen.change(name, **parameters) if parameters else chosen)
    assert name in planned.applied
    assert planned.not_applied == {}
    rejected, planned = files_of(worlds[world], recommendations.reject(name))
    assert name not in planned.applied
    if action == "drop_column":
        assert "currency" not in accepted[file]
        assert "currency" in rejected[file]
    else:
        assert mark in accepted[file]
        assert mark not in rejected.get(file, "")
    assert name in rejected["docs/pipeline.md"]


@pytest.mark.parametrize(
    ("world", "name", "parameters", "file", "mark"),
    [
        ("shop", "bronze.orders.outliers.quantity", {"method": "bounds", "high": 12}, ORDERS, "high=12)"),
        ("shop", "bronze.orders.outliers.quantity", {"method": "bounds", "low": 1, "then": "quarantine"}, ORDERS,
         "quantity out of range"),
        ("shop", "bronze.orders.null_values.channel", {"values": ["N/A", "it's {{ 1 }}"]}, ORDERS, "it\\x27s \\x7b"),
        ("shop", "bronze.orders.read_as.unit_price", {"scale": 4}, ORDERS, "to_decimal('unit_price', 18, 4)"),
        ("shop", "bronze.orders.read_as.quantity", {"unreadable": "quarantine"}, ORDERS, "unreadable quantity"),
        ("shop", "bronze.orders.fold_case.product_code", {"case": "upper"}, ORDERS, "upper("),
        ("shop", "silver.spine.setting.horizon", {"value": "45d"}, "dbt_project.yml", "horizon: 45d"),
        ("shop", "silver.orders.measure.quantity", {"aggregates": ["min", "slope"]}, WINDOWS, "['min', 'slope']"),
        ("shop", "silver.orders.window.all_time", {"window": "21d"}, "dbt_project.yml", "21d"),
        ("shop", "silver.orders.cadence.visits", {"features": ["last_gap_days"]}, WINDOWS, "['last_gap_days']"),
        ("club", "silver.tickets.text_features.body", {"components": 3}, FEATURES, "tickets_body_pc3_mean_"),
        ("club", "silver.tickets.text_features.body", {"aggregates": ["mean", "last"]}, TICKETS,
         "'last': ['all_time']}"),
        ("table", "gold.customer_features.transform.spent", {"how": "rank"}, "retention.yml", "spent: rank"),
        ("club", "bronze.orders.impute.amount", {"how": "zero"}, CLUB, "coalesce(amount, 0)"),
        ("club", "bronze.orders.impute.amount", {"how": "constant", "value": 7}, CLUB, "coalesce(amount, 7)"),
        ("club", "bronze.orders.impute.amount", {"how": "forward_fill"}, CLUB, "customer_retention.last_known("),
    ],
)  # fmt: skip
def test_changed_parameters_are_in_the_code(worlds, world, name, parameters, file, mark) -> None:
    recommendations = proposed(worlds[world]).accept(name).change(name, **parameters)
    files, planned = files_of(worlds[world], recommendations)
    assert mark in files[file]
    assert planned.not_applied == {}


def test_imputing_by_none_changes_nothing(worlds) -> None:
    name = "bronze.orders.impute.amount"
    recommendations = proposed(worlds["club"])
    assert recommendations[name].parameters == {"how": "none"}
    accepted, rejected = (files_of(worlds["club"], r)[0] for r in (recommendations.accept(name), recommendations))
    assert accepted[CLUB] == rejected[CLUB]


def test_values_are_fitted_before_the_training_cutoff(worlds) -> None:
    name = "bronze.orders.impute.amount"
    examination = worlds["club"]
    planned = examination.planned(proposed(examination).accept(name).change(name, how="median")).plan
    imputation = planned.source("orders").column("amount").imputation
    early = next(c.early for c in examination.profile.table("orders").columns if c.column.name == "amount")
    assert (imputation.value, imputation.fitted_before) == (str(early.quantiles["p50"]), early.before.isoformat())
    assert str(early.before) < planned.setting("spine_anchor")


class TestYes:
    def test_nothing_that_can_destroy_values_is_accepted(self, worlds) -> None:
        for world in worlds.values():
            before, after = proposed(world), proposed(world).accept_safe()
            waiting = {a.action for a in after if a.status == "proposed"}
            assert waiting <= {"impute", "outliers", "drop_copies", "null_values", "attribute"}
            for action in after:
                if action.action in ("impute", "outliers", "drop_copies"):
                    assert action.status == before[action.id].status == "proposed"
                if action.evidence.get("may_be_overwritten"):
                    assert action.status == "proposed"

    @pytest.mark.parametrize(
        ("value", "accepted"),
        [("99", False), ("999", False), ("0", False), ("NA", False), ("-999", True), ("n/a", True), ("unknown", False)],
    )
    def test_codes_for_missing_values(self, tmp_path, value, accepted) -> None:
        """The only negative number, and `n/a`, can hardly be real; another number, or a region called NA, can."""
        is_text = not value.lstrip("-").isdigit()
        rows = [
            {"customer_id": f"C{n % 50}", "at": day(n * 7 % 400),
             "v": value if n % 12 == 0 else "abcdef"[n % 6] + "x" if is_text else n * 13 % 60 + 1}
            for n in range(1200)
        ]  # fmt: skip
        decided = proposed(examined(*write_tables(tmp_path / "data", visits=rows))).accept_safe()
        action = decided.get("bronze.visits.null_values.v")
        if action is not None:
            assert (action.status == "accepted") is accepted, action.reason

    def test_an_exact_copy_without_a_key_stays(self, worlds) -> None:
        plan = worlds["shop"].planned(proposed(worlds["shop"]).accept_safe()).plan
        assert not plan.source("orders").drops_copies
        assert plan.source("orders").counts.quarantined == {}


def test_what_depends_on_a_rejected_action_goes_with_it(worlds) -> None:
    recommendations = proposed(worlds["shop"])
    files, planned = files_of(worlds["shop"], recommendations.reject("bronze.orders.read_as.quantity"))
    assert "line_amount" not in files[ORDERS]
    assert "is_reversal" not in files[ORDERS]
    assert set(planned.not_applied) == {
        "bronze.orders.derive.line_amount", "bronze.orders.flag_reversals.returns",
        "silver.orders.measure.line_amount", "silver.orders.measure.quantity",
    }  # fmt: skip
    assert "bronze.orders.derive.line_amount" not in planned.applied
    files, planned = files_of(worlds["shop"], recommendations.reject("silver.visits.link.*"))
    assert not [name for name in files if "slv_visits" in name]
    assert "visits_" not in files[FEATURES]
    assert planned.not_applied["silver.visits.use.events"] == "visits has no customer"


def test_what_nobody_decided_is_not_in_the_code_either(worlds) -> None:
    recommendations = proposed(worlds["shop"])
    names = [a.id for a in recommendations if a.action in ("window", "read_as", "link", "outliers")][::3]
    rejected, _ = files_of(worlds["shop"], recommendations.reject(*names))
    waiting = Recommendations(
        a.model_copy(update={"status": "proposed"}) if a.id in names else a for a in recommendations
    )
    still_open, planned = files_of(worlds["shop"], waiting)
    assert not planned.applied & set(names)
    assert {path for path in rejected if rejected[path] != still_open.get(path)} == {"docs/pipeline.md"}
    assert set(rejected) == set(still_open)


def test_rejecting_everything_that_features_need_is_refused(worlds) -> None:
    for world, pattern in (("shop", "silver.*.window.*"), ("table", "silver.people.attribute.*")):
        with pytest.raises(UserError, match="nothing to learn from"):
            worlds[world].planned(proposed(worlds[world]).reject(pattern))


@pytest.mark.parametrize("world", ["shop", "table", "club"])
def test_the_file_reads_back_and_does_not_depend_on_the_run(worlds, tmp_path, world) -> None:
    recommendations = proposed(worlds[world])
    path = recommendations.write(tmp_path / FILE)
    again = Recommendations.read(path)
    assert again.to_yaml() == recommendations.to_yaml() == path.read_text(encoding="utf-8")
    names = [entry["id"] for entry in yaml.safe_load(path.read_text(encoding="utf-8"))["proposals"]]
    assert len(set(names)) == len(names) == len(recommendations)
    assert all(re.fullmatch(r"(bronze|silver|gold)\.[a-z0-9_]+\.[a-z_]+\.[a-z0-9_]+", name) for name in names)
    layers = [name.split(".")[0] for name in names]
    assert layers == sorted(layers, key=["bronze", "silver", "gold"].index)
    for action in again:
        assert action.evidence or action.action in ("setting", "window", "derive"), action.id


@pytest.mark.parametrize("world", ["shop", "table", "club"])
def test_generation_is_a_function_of_the_stored_profile_and_recommendations(worlds, folder, world) -> None:
    """Stored and read back, without the raw files, the very same project comes out."""
    home = folder / "stored" / world
    create_project(home, worlds[world], proposed(worlds[world]))
    back = read_examination(home)
    for choice in (proposed(back), proposed(back).accept_safe(), proposed(back).accept("*")):
        assert files_of(back, choice)[0] == files_of(worlds[world], choice)[0]
    assert str(folder) not in (home / PROFILE).read_text(encoding="utf-8")


def _text(entry: str) -> str:
    return f"version: 2\nproposals:\n  - id: silver.orders.window.7d\n    reason: Short.\n{entry}"


WINDOW = "    layer: silver\n    table: orders\n    action: window\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (_text(WINDOW + "    parameters: {window: 7 days}\n"), "7 days"),
        (_text(WINDOW.replace("window", "widow")), "no action `widow`"),
        (_text(WINDOW.replace("silver", "gold")), "belongs to silver"),
        (_text(WINDOW.replace("orders", "visits") + "    parameters: {window: 7d}\n"), "the id must be"),
        (_text(WINDOW + "    state: accepted\n"), "did you mean"),
        (_text(WINDOW + "    status: yes\n"), "status"),
        (_text(WINDOW + "    parameters: {window: 7d, x: 1}\n"), "there is no `x`"),
        (
            "version: 2\nproposals:\n  - id: bronze.orders.read_as.day\n    reason: Mine.\n    layer: bronze\n"
            "    table: orders\n    action: read_as\n"
            "    parameters: {type: timestamp, formats: ['%Y }} {{ x']}\n",
            "no pattern of strftime",
        ),
        (
            "version: 2\nproposals:\n  - id: bronze.orders.derive.x\n    reason: Mine.\n    layer: bronze\n"
            "    table: orders\n    action: derive\n    parameters: {expression: '1; drop table x'}\n",
            "expression",
        ),
        ("version: 2\nproposals: 3\n", "must be a mapping"),
        ("version: 9\nproposals: []\n", "version 9"),
        ("version: 1\nproposals: []\n", "version 1"),
        ("version: 2\nproposals: [\n", "not valid YAML"),
        ("version: 2\nproposals: [{id: 2024-13-45}]\n", "2024-13-45"),
        ("- !!python/object/apply:os.system [true]\n", "YAML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, text, message) -> None:
    path = tmp_path / FILE
    write_text(path, text)
    with pytest.raises(UserError) as refused:
        Recommendations.read(path)
    assert message in str(refused.value)
    assert str(path) in refused.value.where
    if "id: silver" in text:
        assert "line 3, entry silver.orders.window.7d" in refused.value.where


def test_a_name_of_sql_is_no_name_of_a_feature(worlds) -> None:
    recommendations = proposed(worlds["shop"]).add(
        "gold", "customer_features", "interaction", "select", "Mine.", of=["orders_count_7d", "orders_count_30d"],
        how="ratio",
    )  # fmt: skip
    planned = worlds["shop"].planned(recommendations)
    assert "cannot be named select" in planned.not_applied["gold.customer_features.interaction.select"]


def test_profiling_again_keeps_what_a_person_decided(worlds, folder) -> None:
    home = folder / "again"
    create_project(home, worlds["shop"], proposed(worlds["shop"]))
    outliers, copies = "bronze.orders.outliers.quantity", "bronze.orders.drop_copies.rows"
    decided = (
        Recommendations.read(home / FILE)
        .reject("silver.orders.window.all_time", note="too long ago")
        .accept(outliers)
        .change(outliers, method="bounds", tails=None, high=50)
        .add("gold", "customer_features", "interaction", "a_by_b", "Mine.", of=["orders_count_30d", "visits_count_30d"],
             how="product")
    )  # fmt: skip
    decided.write(home / FILE)
    same, changes = recommend_project(home)
    assert same.to_yaml() == decided.to_yaml()
    assert not (changes.new or changes.vanished or changes.gone)

    # The data has no outliers and no copies any more; nobody had decided about the copies.
    def calm(stored):
        def quiet(table):
            if table.name != "orders":
                return table
            columns = tuple(
                dataclasses.replace(c, early=dataclasses.replace(c.early, beyond=0)) if c.early else c
                for c in table.columns
            )
            return dataclasses.replace(table, columns=columns, different_rows=table.rows)

        tables = tuple(quiet(t) for t in stored.profile.tables)
        return dataclasses.replace(stored, profile=dataclasses.replace(stored.profile, tables=tables))

    merged, changes = recommend_project(home, calm)
    assert changes.vanished == [outliers]
    assert changes.gone == [copies]
    assert merged[outliers].vanished
    assert merged[outliers].high == 50
    assert merged["silver.orders.window.all_time"].status == "rejected"
    assert merged["silver.orders.window.all_time"].note == "too long ago"
    files, planned = files_of(worlds["shop"], merged)
    assert "high=50" in files[ORDERS]
    assert "as a_by_b" in files[GOLD]
    assert planned.not_applied == {}
    # They are back: a person's number still stands, and the copies are proposed anew.
    merged, changes = recommend_project(
        home, lambda stored: dataclasses.replace(stored, profile=worlds["shop"].profile)
    )
    assert changes.new == [copies]
    assert merged[copies].status == "proposed"
    assert merged[outliers].high == 50
    assert not merged[outliers].vanished


def test_figures_behind_recommendations(worlds) -> None:
    recommendations = proposed(worlds["shop"])
    assert recommendations["bronze.orders.drop_copies.rows"].evidence["copies"] == 12
    assert recommendations["bronze.visits.deduplicate.visit_id"].evidence["copies"] == 3
    assert recommendations["bronze.orders.null_values.channel"].values == ["N/A"]
    outliers = "bronze.orders.outliers.quantity"
    assert recommendations[outliers].evidence["beyond"] == 2
    quantity = worlds["shop"].planned(recommendations.accept(outliers)).plan.source("orders").column("quantity")
    assert 8 <= quantity.high < 5000
    assert str(START.date()) < str(quantity.early.before) < "2024-05-01"
    alike = recommendations["gold.customer_features.exclude.orders_tariff"]
    assert alike.evidence["correlation"] == pytest.approx(1, abs=1e-3)
    assert all(name.startswith("orders_tariff_") for name in alike.features)
    guests = proposed(worlds["club"])["bronze.orders.nobody.member_id"]
    assert guests.values == ["guest"]
    assert guests.evidence["rows"] == 167  # every ninth of 1,500


def test_a_name_that_does_not_exist_is_explained(worlds) -> None:
    recommendations = proposed(worlds["shop"])
    with pytest.raises(UserError, match=r"did you mean silver.orders.window.all_time"):
        recommendations.accept("silver.orders.window.al_time")
    with pytest.raises(UserError, match="no aggregate"):
        recommendations.change("silver.orders.measure.quantity", aggregates=["summe"])
