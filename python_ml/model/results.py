"""Results of a training run: written to ``reports/``, and as text for the terminal."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from python_ml.files import replacing, write_json
from python_ml.formatting import aligned

CROSS_VALIDATION = "cross_validation"

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from python_ml.model.dataset import TrainingSet
    from python_ml.model.tracking import Registration
    from python_ml.model.train import TrainingResult


def write_reports(
    result: TrainingResult, training_set: TrainingSet, registration: Registration, folder: Path
) -> dict[str, Any]:
    """Write ``metrics.json``, ``predictions.parquet`` and ``drivers.parquet``.

    Each file appears whole or not at all; the metrics, which the other readers look for, come last.

    Returns
    -------
    dict
        The metrics as written.
    """
    metrics = {
        **result.metrics,
        "champion": {
            **result.metrics["champion"],
            "version": registration.version,
            "run_id": registration.run_id,
        },
        "dataset": training_set.describe(),
    }
    for name, table in (("predictions", result.predictions), ("drivers", result.drivers)):
        with replacing(folder / f"{name}.parquet") as path:
            table.to_parquet(path, index=False)
    write_metrics(metrics, folder)
    return metrics


def write_metrics(metrics: dict[str, Any], folder: Path) -> None:
    """Write ``metrics.json``."""
    write_json(folder / "metrics.json", metrics)


def read_reports(folder: Path, version: int, run_id: str) -> dict[str, Any] | None:
    """The metrics in a folder, if all that :func:`write_reports` wrote for a version is still there; else None."""
    metrics = stored_metrics(folder)
    return metrics if metrics is not None and reported_version(metrics) == (version, run_id) else None


def stored_metrics(folder: Path) -> dict[str, Any] | None:
    """The metrics in a folder, if all that :func:`write_reports` wrote is still there and undamaged; else None."""
    if not all((folder / name).is_file() for name in ("metrics.json", "predictions.parquet", "drivers.parquet")):
        return None
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        reported_version(metrics)
    except (ValueError, KeyError, TypeError):  # damaged: written anew
        return None
    return metrics


def reported_version(metrics: dict[str, Any]) -> tuple[int, str]:
    """Version and run that metrics are of."""
    return metrics["champion"]["version"], metrics["champion"]["run_id"]


def comparison_table(metrics: dict[str, Any]) -> str:
    """Models and baselines as lines of text, with intervals; the champion carries a star."""
    rows = [("model", "validation ROC AUC", "test ROC AUC", "test PR AUC", "test Brier")]
    champion = metrics["champion"]["name"]
    for name, parts in metrics["models"].items():
        rows.append(
            (
                f"{'*' if name == champion else ' '} {name}",
                interval(parts["validation"].get("roc_auc")),
                *(interval(parts["test"].get(metric)) for metric in ("roc_auc", "pr_auc", "brier")),
            )
        )
    for name, parts in metrics["baselines"].items():
        rows.append(
            (
                f"  {name}",
                interval(parts.get("validation", {}).get("roc_auc")),
                *(interval(parts["test"].get(metric)) for metric in ("roc_auc", "pr_auc", "brier")),
            )
        )
    return aligned(rows)


def interval(entry: dict[str, float | None] | None, undefined: str = "-") -> str:
    """``0.812 [0.780, 0.841]``, or ``undefined`` where a metric was not measured or is not defined."""
    if not entry or entry["value"] is None:
        return undefined
    if entry["low"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} [{entry['low']:.3f}, {entry['high']:.3f}]"


def summary(metrics: dict[str, Any]) -> str:
    """The whole outcome of ``retention train`` as text."""
    split, data, champion = metrics["split"], metrics["data"], metrics["champion"]
    lines = [
        f"{data['customers']:,} customers, {data['rows']:,} labelled rows, {data['features']} features, "
        f"{data['base_rate']:.1%} churned",
        _measured_on(split),
        "",
        comparison_table(metrics),
        "",
        f"best model: {champion['name']}, version {champion['version']}"
        + (f" (the average of {', '.join(champion['members'])})" if champion["members"] else ""),
        _standing(metrics["registration"]),
        _trained_on(metrics["dataset"]),
    ]
    oracle = metrics["baselines"].get("oracle")
    if oracle and oracle["share"] is not None:
        lines.append(
            f"oracle: the champion comes {oracle['share']:.0%} of the way from 0.5 to the true model's ROC AUC "
            f"({interval(metrics['test']['roc_auc'])} against {interval(oracle['test']['roc_auc'])})"
        )
    lines += [f"NOT TO BE TRUSTED: {reason}" for reason in metrics.get("not_trusted_because", [])]
    return "\n".join(lines)


def _standing(registration: dict[str, Any]) -> str:
    """Who is champion now, and why."""
    version, champion, reason = (registration[name] for name in ("version", "champion", "reason"))
    if version == champion:
        return f"champion: version {version}: {reason}"
    return f"champion: version {champion} stays, version {version} does not replace it: {reason}"


def _trained_on(dataset: dict[str, Any]) -> str:
    where = f"snapshot {dataset['snapshot']}" if dataset["snapshot"] else "the warehouse as it is now"
    return f"trained on: {where}; content SHA-256 {(dataset['sha256'] or 'not defined')[:12]}"


def _measured_on(split: dict[str, Any]) -> str:
    if split["kind"] == CROSS_VALIDATION:
        return (
            f"one snapshot: {split['folds']}-fold cross-validation by customer; each fold is judged by models "
            "that were fitted and chosen without it (test)"
        )
    period = "the training customers, cross-validated"
    if split["validation_from"]:
        period = f"{_day(split['validation_from'])} to {_day(split['validation_to'])}"
    return (
        f"validation: {period}; test: {_day(split['test_from'])} to {_day(split['test_to'])}; "
        f"purge before each: {split['purge']}"
    )


def _day(stamp: str) -> str:
    return stamp.removesuffix("T00:00:00")


def interval_columns(prefix: str, figures: Mapping[str, Any]) -> dict[str, float | None]:
    """Figures with intervals as columns of a table: ``PREFIX_NAME``, ``PREFIX_NAME_low`` and ``PREFIX_NAME_high``."""
    return {
        f"{prefix}_{name}{end}": entry[part]
        for name, entry in figures.items()
        if isinstance(entry, dict)
        for part, end in (("value", ""), ("low", "_low"), ("high", "_high"))
    }
