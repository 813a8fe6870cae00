"""The reference project is what the generator makes of the demo's raw files, up to a short list of differences.

The list stands in ``docs/decisions/0010-reference-and-generator.md``; here it is held: what is not on it is the same.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest
import yaml

from python_ml.generate.examination import Examination, examine
from python_ml.generate.project import create_project
from python_ml.generate.render import render
from python_ml.ingest import DataArgument
from python_ml.plan import Options, Recommendations, propose
from tests.python.command_line import command, rows
from tests.python.test_demo import copy_project

SOURCES = {
    "customers": "raw_app__customers",
    "orders": "raw_app__orders",
    "subscriptions": "raw_app__subscriptions",
    "customer_changes": "raw_app__customer_changes",
    "price_changes": "raw_app__price_changes",
    "tickets": "raw_support__tickets",
    "offers": "raw_crm__offers",
}
# Models that only one of the two has.
ONLY_IN_REFERENCE = {
    "slv_customer_history", "slv_customer_attributes", "slv_subscription_history", "slv_subscription_attributes",
}  # fmt: skip
ONLY_GENERATED = {
    "slv_coverage", "slv_customers_attributes", "slv_customer_changes_attributes", "slv_subscriptions_windows",
    "slv_returns_windows",
}  # fmt: skip
# Features that only the reference has: attributes of two tables, and measures that take knowledge of the business.
FEATURES_ONLY_IN_REFERENCE = {
    "customer_country", "customer_segment", "customer_marketing_opt_in",
    "subscription_plan", "subscription_price",
    "tickets_unhappy_sum_30d", "tickets_unhappy_sum_90d", "tickets_urgent_sum_30d", "tickets_urgent_sum_90d",
    "price_changes_increase_percent_sum_30d", "price_changes_increase_percent_sum_90d",
    "price_changes_increase_percent_sum_all_time", "orders_count_7d",
}  # fmt: skip
# Features of the same name whose rows differ: the reference counts offers, not the control group of its experiment.
OTHER_ROWS = "offers_"
# Features whose last digits may differ.
TOLERANCE = 1e-9


def decided(examination: Examination) -> Recommendations:
    """What a person who knows the demo would decide about its rows."""
    bounds = {"method": "bounds", "tails": None, "then": "quarantine", "status": "accepted"}
    return (
        Recommendations(propose(examination.facts))
        .reject("bronze.orders.flag_reversals.*")
        .change("bronze.orders.read_as.amount", unreadable="quarantine")
        .change("bronze.orders.outliers.amount", low=0, high=10000, **bounds)
        .change("bronze.orders.outliers.items", low=1, high=100, **bounds)
        .change("bronze.tickets.outliers.satisfaction", low=1, high=5, **bounds)
        .accept_safe()
    )


@pytest.fixture(scope="module")
def examined(repository: Path, tmp_path_factory) -> tuple[Path, Examination]:
    folder = tmp_path_factory.mktemp("reference")
    arguments = [DataArgument(repository / "seeds" / f"{seed}.csv", name) for name, seed in SOURCES.items()]
    options = Options(churn="end_date", horizon="30d", step="1 month")
    return folder, examine(arguments, options, folder / "demo")


@pytest.fixture(scope="module")
def built(repository, examined) -> tuple[Path, Path]:
    """Folders of the generated and the reference project, both built on the same feature times."""
    folder, examination = examined
    create_project(folder / "demo", examination, decided(examination))
    reference = copy_project(repository, folder / "reference")
    when = "spine_anchor: '2024-01-01', spine_start: '2024-04-01', observation_end: '2025-07-01'"
    for home, more in ((folder / "demo", ["--vars", f"{{{when}}}"]), (reference, [])):
        wanted = ("+gld_customer_features", "+gld_churn_labels")
        outcome = command(home, "dbt", "build", "--select", *wanted, "--exclude-resource-type", "test",
                          "--exclude-resource-type", "unit_test", *more)  # fmt: skip
        assert outcome.returncode == 0, outcome.stdout[-3000:]
        if home != reference:
            copy_embeddings(home, reference)
    return folder / "demo", reference


def copy_embeddings(made: Path, other: Path) -> None:
    """Spare another project the embedding of the same texts."""
    with duckdb.connect(str(other / "warehouse.duckdb")) as connection:
        connection.execute(f"attach '{made / 'warehouse.duckdb'}' as made (read_only)")
        connection.execute("create schema text")
        connection.execute("create table text.embeddings as from made.text.embeddings")


def models(files: dict[str, str] | list[str]) -> set[str]:
    """Names of models, whatever the source system is called."""
    stems = {Path(name).stem for name in files if re.fullmatch(r"models/.*\.(sql|py)", name)}
    return {re.sub(r"^brz_[a-z]+__", "brz_", stem) for stem in stems}


def columns(text: str) -> dict[str, str]:
    """Type of every gold feature column."""
    told = next(m for m in yaml.safe_load(text)["models"] if m["name"] == "gld_customer_features")
    return {column["name"]: column["data_type"] for column in told["columns"]}


def shared_columns(repository: Path, files: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Types of the feature columns of the reference, and of the generated project."""
    theirs = columns((repository / "models/gold/_gold__features.yml").read_text(encoding="utf-8"))
    return theirs, columns(files["models/gold/_gold__features.yml"])


def test_models_and_columns_are_those_of_the_reference(repository, examined) -> None:
    _, examination = examined
    recommendations = decided(examination)
    planned = examination.planned(recommendations)
    assert planned.not_applied == {}
    files = render(planned.plan, examination.profile, recommendations)
    reference = models([path.relative_to(repository).as_posix() for path in (repository / "models").rglob("*")])
    assert reference - models(files) == ONLY_IN_REFERENCE
    assert models(files) - reference <= ONLY_GENERATED
    theirs, ours = shared_columns(repository, files)
    assert set(theirs) - set(ours) == FEATURES_ONLY_IN_REFERENCE
    assert {name: kind for name, kind in theirs.items() if name in ours} == {
        name: kind for name, kind in ours.items() if name in theirs
    }


def test_the_measured_maturity_lag_is_that_of_the_reference(repository, examined) -> None:
    _, examination = examined
    reference = yaml.safe_load((repository / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    assert examination.planned(decided(examination)).plan.setting("maturity_lag") == reference["maturity_lag"] == "4d"


def test_coverage_alone_gives_the_labels_of_the_demo(built) -> None:
    ours, reference = built
    ((both, different, only_ours, only_theirs),) = rows(ours, f"""
        attach '{reference / "warehouse.duckdb"}' as reference (read_only);
        select count(*) filter (a.customer_id is not null and b.customer_id is not null),
            count(*) filter (a.customer_id is not null and b.customer_id is not null
                and a.churned is distinct from b.churned),
            count(*) filter (b.customer_id is null), count(*) filter (a.customer_id is null)
        from gold.gld_churn_labels as a
        full join reference.gold.gld_churn_labels as b using (customer_id, feature_timestamp)
    """)  # fmt: skip
    print(f"{both:,} labels in both, {only_ours:,} generated only, {only_theirs:,} in the reference only")
    assert both > 5000
    assert (different, only_ours, only_theirs) == (0, 0, 0)


def test_shared_features_are_the_same_to_the_row(repository, built) -> None:
    ours, reference = built
    theirs, made = shared_columns(
        repository, {name: (ours / name).read_text(encoding="utf-8") for name in ("models/gold/_gold__features.yml",)}
    )
    keys = ("customer_id", "feature_timestamp", "row_fingerprint")
    shared = [name for name in made if name in theirs and name not in keys]
    compared = [name for name in shared if not name.startswith(OTHER_ROWS)]
    differs = ", ".join(
        f"count(*) filter (where a.{name} is distinct from b.{name} and "
        f"coalesce(abs(try_cast(a.{name} as double) - try_cast(b.{name} as double)) "
        f"> {TOLERANCE} * greatest(1, abs(try_cast(a.{name} as double))), true))"
        for name in compared
    )
    total, *wrong = rows(ours, f"""
        attach '{reference / "warehouse.duckdb"}' as reference (read_only);
        select count(*), {differs}
        from gold.gld_customer_features as a
        inner join reference.gold.gld_customer_features as b using (customer_id, feature_timestamp)
    """)[0]  # fmt: skip
    assert total > 5000
    assert {name: n for name, n in zip(compared, wrong, strict=True) if n} == {}
    assert len(compared) > 25
    print(f"{len(compared)} features are the same in {total:,} rows")


def test_the_differences_are_documented(repository) -> None:
    text = (repository / "docs/decisions/0010-reference-and-generator.md").read_text(encoding="utf-8")
    for name in (*ONLY_IN_REFERENCE, *FEATURES_ONLY_IN_REFERENCE):
        family = re.sub(r"^customer_(country|segment|marketing_opt_in)$", "slv_customer_attributes", name)
        known = name in text or re.sub(r"_(7d|30d|90d|all_time)$", "", family) in text
        assert known or name == "orders_count_7d", name
    assert "windows chosen per table" in text
