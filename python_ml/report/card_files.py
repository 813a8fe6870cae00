"""The model card in files and in MLflow: written at training, and again when more becomes known of its version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from python_ml.files import write_text
from python_ml.model.card import ModelCard
from python_ml.report.model_card import PAGE, TEXT, description, model_card, render_html, render_markdown
from python_ml.report.performance import part

if TYPE_CHECKING:
    from python_ml.project import Project


def write_model_card(project: Project, metrics: Mapping[str, Any]) -> None:
    """Write the card of the last training's version to ``reports/``, to its run, and as its description in MLflow.

    Parameters
    ----------
    project : Project
    metrics : mapping
        ``metrics.json`` of the training, with what was decided about its version.

    Raises
    ------
    UserError
        When the version's files are gone or changed.
    """
    import pandas as pd

    from python_ml.model import store
    from python_ml.model.registry import ModelRegistry

    registry = ModelRegistry.of(project)
    if registry is None:
        return
    measured = _measured_since(project, metrics["champion"]["version"])
    version = registry.find(metrics["champion"]["version"])
    folder = registry.files(version).folder / "extra_files"
    card = model_card(
        metrics,
        ModelCard.from_json((folder / store.CARD_FILE).read_text(encoding="utf-8")),
        pd.read_parquet(project.reports_dir / "drivers.parquet"),
        pd.read_parquet(project.reports_dir / "predictions.parquet"),
        registered_name=registry.name,
        definitions=version.definitions or {},
        **measured,
    )
    texts = {TEXT: render_markdown(card), PAGE: render_html(card, project.name)}
    for name, text in texts.items():
        write_text(project.reports_dir / name, text)
    registry.describe(version, card.lead, description(texts[TEXT]), texts)


def update_model_card(project: Project, changes: Mapping[str, Any] | None = None) -> str:
    """Write the card of the version in ``reports/`` again, with what became known of it since.

    Parameters
    ----------
    project : Project
    changes : mapping, optional
        To ``registration`` in ``metrics.json``: who is champion now, and why.

    Returns
    -------
    str
        Why there is nothing to be updated; empty where the card was written.
    """
    from python_ml.model.registry import ChampionError, ModelRegistry
    from python_ml.model.results import reported_version, stored_metrics, write_metrics

    metrics, registry = stored_metrics(project.reports_dir), ModelRegistry.of(project)
    if metrics is None or registry is None:
        return "reports/ has no complete training"
    known = {(version.number, version.run_id) for version in registry.versions()}
    if reported_version(metrics) not in known:
        return "the training in reports/ is not in the registry"
    if changes:
        metrics["registration"] = {**(metrics.get("registration") or {}), **changes}
        write_metrics(metrics, project.reports_dir)
    try:
        write_model_card(project, metrics)
    except ChampionError as error:
        return error.what
    return ""


def _measured_since(project: Project, version: int) -> dict[str, Any]:
    """What was measured of a version after its training: diagnostics, fairness, backtest."""
    from python_ml.diagnostics.diagnosis import DIAGNOSTICS_TABLE, FAIRNESS_TABLE
    from python_ml.files import read_json
    from python_ml.warehouse import connect, has_warehouse, relation, table_exists

    found: dict[str, Any] = {}
    path = project.reports_dir / "backtest.json"
    if path.is_file():
        backtest = read_json(path, "file backtest.json", "run `retention backtest` again")
        if part(backtest, "version") == version:
            found["backtest"] = backtest
    if has_warehouse(project):
        with connect(project) as connection:
            for name, table in (("diagnostics", DIAGNOSTICS_TABLE), ("fairness", FAIRNESS_TABLE)):
                if table_exists(connection, table):
                    query = f"select * from {relation(table)} where model_version = ?"
                    rows = connection.execute(query, [version]).df()
                    found[name] = rows if len(rows) else None
    return found
