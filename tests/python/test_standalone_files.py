"""Models as plain files, copies of modules, and what `retention generate --standalone` refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from python_ml.dbt import Feature
from python_ml.errors import UserError
from python_ml.input_columns import CATEGORY, FLAG, NUMBER, InputColumn
from python_ml.model.calibration import fit_calibrated, probabilities
from python_ml.model.card import ModelCard, describe_columns
from python_ml.model.ensemble import averaged
from python_ml.model.explain import contributions, linear_background
from python_ml.model.folds import customer_folds
from python_ml.settings import Settings
from python_ml.standalone.exported_model import MANIFEST, ExportedModel
from python_ml.standalone.feature_sql import WANTED, written_sql
from python_ml.standalone.model_export import exported_files, save_model
from python_ml.standalone.pipeline import ANNOTATING, RENAMED, ROOTS, require_no_texts, text_features
from python_ml.standalone.source_copies import module_copies
from tests.python.command_line import retention

ROWS = 600
COLUMNS = [
    InputColumn("amount", NUMBER),
    InputColumn("gaps", NUMBER),
    InputColumn("opted_in", FLAG),
    InputColumn("plan", CATEGORY),
]
TRANSFORMED = [
    replace(COLUMNS[0], transform="rank"),
    replace(COLUMNS[1], transform="power", scale="robust"),
    replace(COLUMNS[2], transform="none", scale="none"),
    replace(COLUMNS[3], encode="target"),
]
LOGGED = [replace(COLUMNS[0], transform="log"), *COLUMNS[1:]]
KINDS = [
    ("logistic_regression", COLUMNS),
    ("logistic_regression", TRANSFORMED),
    ("logistic_regression", LOGGED),
    ("lightgbm", COLUMNS),
    ("xgboost", TRANSFORMED),
    ("random_forest", COLUMNS),
]


@pytest.fixture(scope="module")
def rows() -> tuple[pd.DataFrame, np.ndarray]:
    """Inputs with gaps, rare categories and outcomes that depend on them."""
    draw = np.random.default_rng(5)
    amount = draw.lognormal(3, 1, ROWS)
    gaps = np.where(draw.random(ROWS) < 0.3, np.nan, draw.normal(size=ROWS))
    plan = draw.choice(["basic", "plus", "it's", "rare"], ROWS, p=[0.5, 0.3, 0.19, 0.01]).astype(object)
    plan[::17] = np.nan
    inputs = pd.DataFrame(
        {"amount": amount, "gaps": gaps, "opted_in": draw.integers(0, 2, ROWS).astype(float), "plan": plan}
    )
    odds = 1.5 - 0.05 * amount + np.nan_to_num(gaps) + (plan == "plus")
    return inputs, (draw.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(int)


def fitted(kind: str, columns: list[InputColumn], rows: tuple[pd.DataFrame, np.ndarray]):
    """A calibrated model with few trees."""
    inputs, churned = rows
    folds = customer_folds(np.arange(ROWS), churned, 2, 1)
    parameters = {"C": 0.1} if kind == "logistic_regression" else {"n_estimators": 12}
    return fit_calibrated(kind, inputs, churned, columns, folds, 1, parameters).model


def card_of(model: object, kind: str, columns: list[InputColumn], inputs: pd.DataFrame) -> ModelCard:
    """A card with what scoring reads."""
    described = describe_columns(inputs, columns, [Feature(column.name, "feature") for column in columns])
    bands, nothing = {"high": 0.5, "medium": 0.2}, {}
    background = linear_background(model, inputs)
    return ModelCard(kind, "customer_id", described, bands, 0.3, nothing, nothing, nothing, background)


def unseen(inputs: pd.DataFrame) -> pd.DataFrame:
    """Rows beyond what training saw: larger numbers, another category."""
    beyond = inputs.iloc[:50].assign(plan="never seen", amount=lambda frame: frame["amount"] * 50 - 100)
    return pd.concat([inputs, beyond], ignore_index=True)


@pytest.mark.parametrize(("kind", "columns"), KINDS)
def test_exported_models_score_and_explain_alike(
    kind: str, columns: list[InputColumn], rows: tuple[pd.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    model = fitted(kind, columns, rows)
    check_alike(model, card_of(model, kind, columns, rows[0]), unseen(rows[0]), tmp_path)


def test_an_exported_ensemble_scores_and_explains_alike(rows: tuple[pd.DataFrame, np.ndarray], tmp_path: Path) -> None:
    members = {kind: fitted(kind, COLUMNS, rows) for kind in ("logistic_regression", "lightgbm", "random_forest")}
    model = averaged(members, *rows)
    check_alike(model, card_of(model, "ensemble", COLUMNS, rows[0]), unseen(rows[0]), tmp_path)


def check_alike(model: object, card: ModelCard, inputs: pd.DataFrame, folder: Path) -> None:
    """Export, open, compare."""
    save_model(folder, exported_files(model, card, 7))
    exported = ExportedModel.open(folder)
    assert (exported.version, exported.card) == (7, card)
    np.testing.assert_allclose(exported.probability(inputs), probabilities(model, inputs), rtol=0, atol=1e-9)
    expected, _ = contributions(model, inputs, card.background)
    np.testing.assert_allclose(exported.contributions(inputs), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("what", ["changed", "missing", "outside", "no manifest"])
def test_files_that_are_not_those_of_the_manifest_are_not_opened(
    what: str, rows: tuple[pd.DataFrame, np.ndarray], tmp_path: Path
) -> None:
    model = fitted("logistic_regression", COLUMNS, rows)
    folder = tmp_path / "model"
    save_model(folder, exported_files(model, card_of(model, "logistic_regression", COLUMNS, rows[0]), None))
    manifest = folder / MANIFEST
    if what == "changed":
        path = folder / "model.json"
        path.write_text(path.read_text().replace('"weight": 1.0', '"weight": 2.0'))
    elif what == "missing":
        (folder / "model_card.json").unlink()
    elif what == "outside":
        (tmp_path / "other.json").write_text("{}")
        manifest.write_text(json.dumps({"files": {"../other.json": "0"}}))
    else:
        manifest.unlink()
    with pytest.raises(UserError, match=r"differs|cannot be read|outside|no readable manifest"):
        ExportedModel.open(folder)


def test_copies_import_nothing_of_the_package() -> None:
    copies = module_copies(ROOTS, RENAMED, ANNOTATING)
    for name, text in copies.items():
        compile(text, name, "exec")
        assert "python_ml" not in text
    # What is not used is not copied.
    assert "def monotone_kinds" not in copies["pipelines"]
    assert "def fit_pipeline" in copies["pipelines"]


def test_features_of_texts_are_those_of_components_and_lengths() -> None:
    features = [
        Feature("customer_id", "key"),
        Feature("tickets_body_pc1_mean_30d", "feature", source="tickets", measure="body_pc1", fitted="tickets.body"),
        Feature("tickets_body_characters_mean_30d", "feature", source="tickets", measure="body_characters"),
        Feature("tickets_count_30d", "feature", source="tickets", aggregate="count"),
    ]
    assert text_features(features) == ["tickets_body_pc1_mean_30d", "tickets_body_characters_mean_30d"]


def test_a_champion_that_uses_texts_is_not_exported() -> None:
    """The hint excludes all features of these texts; what it says is what `retention.yml` takes."""
    columns = [
        SimpleNamespace(name="orders_count_30d", fitted=None),
        SimpleNamespace(name="tickets_body_pc1_mean_30d", fitted="tickets.body@416cdac3d0f64ebd"),
        SimpleNamespace(name="tickets_body_characters_mean_30d", fitted=None),
    ]
    champion = SimpleNamespace(version=3, card=SimpleNamespace(columns=columns))
    texts = [column.name for column in columns[1:]]
    with pytest.raises(UserError, match=r"2 feature\(s\) of texts") as refused:
        require_no_texts(champion, texts)
    assert "features: {exclude: [tickets_body_*]}" in refused.value.hint
    settings = Settings.model_validate({"features": {"exclude": ["tickets_body_*"]}})
    assert list(settings.features.excluded(column.name for column in columns)) == texts

    champion.card.columns = [*columns, SimpleNamespace(name="notes_text_characters_mean_30d", fitted=None)]
    with pytest.raises(UserError, match=r"3 feature\(s\) of texts") as refused:
        require_no_texts(champion, [*texts, "notes_text_characters_mean_30d"])
    assert "features: {exclude: [tickets_body_*, notes_text_characters_mean_30d]}" in refused.value.hint

    champion.card.columns = columns[:1]
    require_no_texts(champion, texts)


def test_names_of_schemas_stay_open_in_the_sql() -> None:
    """Names of tables are distinguished from longer ones and from columns; notes for dbt are left out."""
    raw = {"schema": "raw", "identifier": "orders", "relation_name": "raw.orders"}
    raw |= {"resource_type": "source", "config": {}, "columns": {"id": {}}, "description": ""}
    query = "-- depends_on: raw.orders\nselect orders.id from raw.orders as orders join bronze.orders using (id)"
    nodes = {"source.orders": raw}
    for name, reads in zip(("orders", *WANTED), ("source.orders", *["model.orders"] * len(WANTED)), strict=True):
        nodes[f"model.{name}"] = {
            "name": name, "alias": name, "schema": "dev_bronze", "relation_name": f"dev_bronze.{name}",
            "resource_type": "model", "language": "sql", "compiled_code": query, "description": "Rows.",
            "config": {"schema": "bronze", "materialized": "table"}, "depends_on": {"nodes": [reads]},
        }  # fmt: skip
    sources = {key: node for key, node in nodes.items() if key.startswith("source")}
    models = {key: node for key, node in nodes.items() if key not in sources}
    made = written_sql({"nodes": models, "sources": sources})
    assert made.layers == ["raw", "bronze"]
    assert [model["table"] for model in made.models] == ["orders", *WANTED]
    assert made.files["sql/01_orders.sql"] == (
        "-- Table bronze.orders\n-- Rows.\n-- Reads raw.orders.\n\n"
        "select orders.id from ${raw}.orders as orders join bronze.orders using (id)\n"
    )
    models["model.orders"]["language"] = "python"
    models["model.orders"]["original_file_path"] = "models/orders.py"
    with pytest.raises(UserError, match="models in Python, which are not SQL: orders"):
        written_sql({"nodes": models, "sources": sources})


@pytest.mark.parametrize(
    ("made", "words", "message"),
    [
        ("", ("--standalone", "out"), "There is no dbt manifest yet"),
        ("out/notes.txt", ("--standalone", "out"), "holds something else"),
        ("out", ("--standalone", "out"), "is the name of a file"),
        ("", ("--standalone", "."), "a folder of its own"),
        ("", ("--no-champion",), "--no-champion needs --standalone"),
    ],
)
def test_mistakes_are_explained(
    made: str,
    words: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: shop\nvars: {entity: customer_id}\n")
    if made:
        (tmp_path / made).parent.mkdir(exist_ok=True)
        (tmp_path / made).write_text("mine")
    monkeypatch.chdir(tmp_path)
    code, _, err = retention(monkeypatch, capsys, "generate", *words)
    assert code == 2
    assert message in err
