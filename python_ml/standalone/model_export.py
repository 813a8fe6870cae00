"""Writing a fitted model as plain files, which :class:`ExportedModel` opens."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from python_ml.errors import UserError
from python_ml.input_columns import CATEGORY
from python_ml.model.calibration import sigmoid_of
from python_ml.model.ensemble import members_of
from python_ml.model.forest_booster import as_booster
from python_ml.standalone.exported_model import CARD, FOREST, FORMAT, LIGHTGBM, LINEAR, MANIFEST, MODEL, XGBOOST

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import StackingClassifier

    from python_ml.model.card import ModelCard

# Of scikit-learn's QuantileTransformer, which clips normal quantiles here.
QUANTILE_SLACK = 1e-7


def exported_files(model: StackingClassifier, card: ModelCard, version: int | None) -> dict[str, str]:
    """Write a model as text.

    Parameters
    ----------
    model : sklearn.ensemble.StackingClassifier
        Fitted and calibrated; a single model or an ensemble.
    card : ModelCard
    version : int or None
        In the registry; None where it is in none.

    Returns
    -------
    dict of str to str
        Text by file name, the manifest with the SHA-256 of all others among them.

    Raises
    ------
    UserError
        When the model has a part that there is no export of.
    """
    members = members_of(model) or [(1.0, model)]
    files: dict[str, str] = {}
    described = []
    for weight, member in members:
        slope, intercept = sigmoid_of(member)
        prepare, estimator = member.estimators_[0]
        trees, text = _estimator(estimator)
        if text is not None:
            files[trees["file"]] = text
        described.append(
            {
                "weight": weight,
                "preparation": _preparation(prepare),
                "estimator": trees,
                "calibration": {"slope": slope, "intercept": intercept},
            }
        )
    files[MODEL] = _json({"format": FORMAT, "version": version, "members": described})
    files[CARD] = card.to_json() + "\n"
    digests = {name: hashlib.sha256(text.encode("utf-8")).hexdigest() for name, text in sorted(files.items())}
    return {**files, MANIFEST: _json({"files": digests})}


def save_model(folder: Path, files: dict[str, str]) -> None:
    """Write the files of a model; the manifest comes last, so that no half-written model is opened."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in sorted(files, key=lambda name: name == MANIFEST):
        (folder / name).write_bytes(files[name].encode("utf-8"))


def _estimator(estimator: Any) -> tuple[dict[str, Any], str | None]:
    """Description of an estimator, and the text of its trees."""
    kind = type(estimator).__name__
    if kind == "LogisticRegression":
        linear = {"coefficients": estimator.coef_[0].tolist(), "intercept": float(estimator.intercept_[0])}
        return {"kind": LINEAR, **linear}, None
    if kind == "LGBMClassifier":
        return {"kind": LIGHTGBM, "file": "lightgbm.txt"}, estimator.booster_.model_to_string()
    if kind == "XGBClassifier":
        return {"kind": XGBOOST, "file": "xgboost.json"}, estimator.get_booster().save_raw("json").decode("utf-8")
    if kind == "RandomForestClassifier":
        return {"kind": FOREST, "file": "random_forest.txt"}, as_booster(estimator).model_to_string()
    raise UserError(f"A model of the kind {kind} cannot be exported.", where="model", hint="train another kind")


def _preparation(prepare: ColumnTransformer) -> list[dict[str, Any]]:
    """The blocks of columns, in the order in which the estimator takes them."""
    blocks = []
    for name, transformer, columns in prepare.transformers_:
        where = prepare.output_indices_[name]
        if name == "remainder" or where.start == where.stop:
            continue
        if name == "gaps":
            blocks.append({"kind": "gaps", "columns": [columns[i] for i in transformer.features_]})
        elif name.startswith("numbers"):
            steps = [step for part in _parts(transformer) for step in _steps(part)]
            blocks.append({"kind": "numbers", "columns": list(columns), "steps": steps})
        else:
            blocks.append({"kind": CATEGORY, "column": columns[0], **_table(transformer)})
    return blocks


def _parts(transformer: Any) -> list[Any]:
    if isinstance(transformer, Pipeline):
        return [part for _, part in transformer.steps]
    return []  # passed through


def _table(encoder: Pipeline) -> dict[str, Any]:
    """What the encoder makes of each category that it knows, of any other, and of none."""
    known = [str(value) for value in encoder[1].categories_[0]]
    other = "any other"
    while other in known:
        other += "."
    cells = np.array([[value] for value in [*known, other, np.nan]], dtype=object)
    *rows, unknown, missing = np.asarray(encoder.transform(_named(encoder, cells)), dtype=float).tolist()
    return {"table": dict(zip(known, rows, strict=True)), "unknown": unknown, "missing": missing}


def _named(encoder: Pipeline, cells: np.ndarray) -> Any:
    import pandas as pd

    return pd.DataFrame(cells, columns=list(encoder.feature_names_in_))


def _steps(part: Any) -> list[dict[str, Any]]:
    kind = type(part).__name__
    if kind == "FunctionTransformer":
        options = part.kw_args or {}
        function = part.func.__name__
        if function == "clip":
            return [{"kind": "clip", "least": options["a_min"], "most": options["a_max"]}]
        return [{"kind": function, **options}]
    if kind == "SimpleImputer":
        return [{"kind": "fill", "values": part.statistics_.tolist()}]
    if kind == "StandardScaler":
        return [{"kind": "scale", "center": part.mean_.tolist(), "scale": part.scale_.tolist()}]
    if kind == "RobustScaler":
        return [{"kind": "scale", "center": part.center_.tolist(), "scale": part.scale_.tolist()}]
    if kind == "PowerTransformer":
        return [{"kind": "yeo_johnson", "powers": part.lambdas_.tolist()}]
    if kind == "QuantileTransformer":
        import scipy.special

        ends = QUANTILE_SLACK - np.spacing(1)
        return [
            {
                "kind": "quantile",
                "normal": part.output_distribution == "normal",
                "references": part.references_.tolist(),
                "quantiles": part.quantiles_.tolist(),
                "slack": QUANTILE_SLACK,
                "lowest": float(scipy.special.ndtri(ends)),
                "highest": float(scipy.special.ndtri(1 - ends)),
            }
        ]
    raise UserError(f"The preparation {kind} cannot be exported.", where="model", hint="use another transformation")


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, allow_nan=False) + "\n"
