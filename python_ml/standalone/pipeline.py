"""Writing a standalone pipeline: SQL, notebooks, the code that they use, and the champion."""

from __future__ import annotations

import fnmatch
import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml import __version__
from python_ml.dbt import feature_registry
from python_ml.errors import UserError
from python_ml.files import encodable
from python_ml.formatting import model_title
from python_ml.generate.layout import MANIFEST
from python_ml.generate.text import listed
from python_ml.generate.writing import Written, create, renew
from python_ml.project import DATELESS
from python_ml.standalone.feature_sql import FeatureSql, as_json, feature_sql
from python_ml.standalone.source_copies import module_copies

if TYPE_CHECKING:
    from python_ml.cli.options import Console
    from python_ml.dbt import Feature
    from python_ml.model.registry import Champion
    from python_ml.project import Project

TEMPLATES = Path(__file__).parent / "templates"
CODE = "churn"  # folder of the notebooks' code
CHAMPION, TRAINED = "champion", "trained"
LINE = 115  # characters
NOTEBOOKS = ("01_features.py", "02_train.py", "03_score.py")

# What the notebooks import.
ROOTS = {
    "python_ml.standalone.feature_tables": ("build_tables", "prepare_session", "table_name", "write_table"),
    "python_ml.standalone.training": ("train",),
    "python_ml.standalone.model_export": ("exported_files", "save_model"),
    "python_ml.standalone.exported_model": ("ExportedModel",),
    "python_ml.standalone.customer_scores": ("score_customers",),
}
RENAMED = {"python_ml.errors": "python_ml.standalone.errors"}
ANNOTATING = ("python_ml.dbt", "python_ml.settings")

# What a fit sets by itself.
CHOSEN_BY_FIT = ("monotone_constraints", "scale_pos_weight")
LIBRARIES = {"lightgbm": "LightGBM", "xgboost": "XGBoost", "random_forest": "LightGBM"}


@dataclass(frozen=True)
class Standalone:
    """What was written.

    Attributes
    ----------
    written : Written
        What became of every file.
    champion_version : int or None
        Version of the exported champion; None where there is none.
    text_features : list of str
        Features of texts, which the pipeline does not have.
    """

    written: Written
    champion_version: int | None
    text_features: list[str]


def write_standalone(
    project: Project, folder: Path, console: Console, with_champion: bool = True, target: str | None = None
) -> Standalone:
    """Write a pipeline that runs on Spark without this package.

    Parameters
    ----------
    project : Project
        Built; trained where the champion is wanted.
    folder : Path
        New, empty, or written by an earlier call: then edited files are kept.
    console : Console
    with_champion : bool
        Whether to export the champion, where there is one.
    target : str, optional
        Target in ``profiles.yml`` that the SQL is compiled for; by default the first on Spark or Databricks.

    Raises
    ------
    UserError
        When the project is not built, cannot be compiled for Spark, or has a champion that uses features of texts; when
        the folder holds something else.
    """
    from python_ml.model.registry import load_champion

    folder = encodable(folder)
    _check_folder(folder, project)
    features = feature_registry(project)
    texts = text_features(features)
    champion = load_champion(project) if with_champion else None
    if champion is not None:
        require_no_texts(champion, texts)
    with console.step("Compiling the SQL"):
        sql = feature_sql(project, console, target)
    files = pipeline_files(project, sql, features, champion)
    written = renew(folder, files) if (folder / MANIFEST).is_file() else Written(create(folder, files, {}))
    return Standalone(written, champion.version if champion else None, texts if sql.texts else [])


def pipeline_files(
    project: Project, sql: FeatureSql, features: Sequence[Feature], champion: Champion | None
) -> dict[str, str]:
    """The text of every file by its path."""
    from python_ml.standalone.model_export import exported_files

    plan = training_plan(project, features, champion)
    keys = [
        {"schema": model["schema"], "table": model["table"], "columns": [project.entity, "feature_timestamp"]}
        for model in sql.models
        if model["schema"] == "gold"
    ]
    pipeline = {"models": sql.models, "raw": sql.raw, "keys": keys}
    files = {**sql.files, "pipeline.json": as_json(pipeline), "training_plan.json": as_json(plan)}
    files |= {f"{CODE}/{name}.py": text for name, text in module_copies(ROOTS, RENAMED, ANNOTATING).items()}
    files[f"{CODE}/__init__.py"] = '"""The code of the notebooks."""\n'
    if champion is not None:
        exported = exported_files(champion.model, champion.card, champion.version)
        files |= {f"{CHAMPION}/{name}": text for name, text in exported.items()}
    values = _template_values(project, sql, features, champion, plan)
    for name in ("README.md", "pipeline_settings.py", *NOTEBOOKS):
        files[name] = _rendered(f"{name}.jinja", values)
    return files


def training_plan(project: Project, features: Sequence[Feature], champion: Champion | None) -> dict[str, Any]:
    """What ``02_train.py`` needs to know: columns, kinds of model with their parameters, and how rows are divided."""
    import pandas as pd

    from python_ml.input_columns import prepared_as, typed_columns
    from python_ml.model.leakage_gate import usable

    settings, training = project.settings, project.settings.training
    left_out = set(text_features(features))
    offered = [feature for feature in usable(features, settings) if feature.name not in left_out]
    columns = prepared_as(typed_columns(pd.DataFrame(columns=[f.name for f in offered]), offered), settings)
    described = ("name", "description", "source", "measure", "aggregate", "window", "fit", "ends")
    bands = settings.scoring.risk_bands
    origin = (champion.card.band_origin or {}) if champion else {}
    return {
        "entity": project.entity,
        "models": _champion_parameters(champion) if champion else _default_models(project),
        "seed": training.seed,
        "calibration_folds": training.calibration_folds,
        "bootstrap_replicates": training.bootstrap_replicates,
        "class_weight": training.class_weight,
        "resampling": training.resampling,
        "split": _split(project),
        "risk_bands": {**bands.model_dump(), "is_rank": bands.is_rank},
        "break_even": float(origin.get("break_even", 0.0)),
        "columns": [asdict(column) for column in columns],
        "features": [
            {name: getattr(feature, name) for name in described} for feature in offered if feature.role == "feature"
        ],
    }


def text_features(features: Sequence[Feature]) -> list[str]:
    """Features that are made of texts: of their components, or of how long they are."""
    texts = {tuple(feature.fitted.split(".")[:2]) for feature in features if feature.fitted}

    def is_text(feature: Feature) -> bool:
        return bool(feature.fitted) or any(
            feature.source == source and (feature.measure or "").startswith(f"{column}_characters")
            for source, column in texts
        )

    return [feature.name for feature in features if feature.role == "feature" and is_text(feature)]


def require_no_texts(champion: Champion, texts: Sequence[str]) -> None:
    """Refuse a champion that uses some of the features of texts."""
    columns = [column for column in champion.card.columns if column.fitted or column.name in texts]
    if columns:
        used = [column.name for column in columns]
        fitted = {column.fitted.partition("@")[0] for column in columns if column.fitted}
        patterns = sorted({"_".join([*name.split(".")[:2], "*"]) for name in fitted})
        others = [name for name in used if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]
        exclude = f"features: {{exclude: [{', '.join([*patterns, *others])}]}}"
        raise UserError(
            f"The champion uses {len(used)} feature(s) of texts, which need an embedding model: {', '.join(used[:3])}"
            f"{', …' if len(used) > 3 else ''}.",
            where=f"version {champion.version}",
            hint=f"exclude them in retention.yml ({exclude}), train again and make the new version the champion "
            "(`retention models promote VERSION`), or write the pipeline without the champion (--no-champion)",
        )


def _check_folder(folder: Path, project: Project) -> None:
    if folder.resolve() == project.root:
        raise UserError(
            "The pipeline needs a folder of its own.", where=str(folder), hint="name a new folder, such as standalone"
        )
    if folder.exists() and not folder.is_dir():
        raise UserError("The pipeline's folder is the name of a file.", where=str(folder), hint="choose another folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise UserError(
            "The folder holds something else than a pipeline that this command wrote.",
            where=str(folder),
            hint="choose a new folder",
        )


def _split(project: Project) -> dict[str, Any]:
    """How rows are divided; see :mod:`python_ml.standalone.training`."""
    split = project.settings.training.split
    if project.vars.get("scenario") in DATELESS:
        return {"by": "customer"}
    if split.column:
        return {"by": "column", "column": split.column}
    begins = {name: getattr(split, name) for name in ("validation_from", "test_from")}
    return {
        "by": "time",
        "validation_share": split.validation_share,
        "test_share": split.test_share,
        **{name: None if begin is None else begin.isoformat() for name, begin in begins.items()},
    }


def _default_models(project: Project) -> dict[str, dict[str, Any]]:
    models = project.settings.training.models
    kind = "lightgbm" if "lightgbm" in models.enabled else models.enabled[0]
    return {kind: dict(getattr(models, kind).parameters)}


def _champion_parameters(champion: Champion) -> dict[str, dict[str, Any]]:
    """The parameters of the champion, or of each of its members, by kind of model."""
    from python_ml.model.ensemble import members_of

    model, card = champion.model, champion.card
    single = model.named_estimators_ if members_of(model) else {card.model: model}
    return {
        kind: _parameters(kind, member.estimators_[0][-1], card.fitted_on["rows"]) for kind, member in single.items()
    }


def _parameters(kind: str, estimator: Any, n_rows: int) -> dict[str, Any]:
    """Those that differ from what the estimator would have by itself, here and in general."""
    from python_ml.model.pipelines import RESERVED, model_pipeline

    usual = type(estimator)().get_params()
    ours = model_pipeline(kind, [], n_rows, 0)[-1].get_params()
    return {
        name: value
        for name, value in estimator.get_params().items()
        if name not in (*RESERVED, *CHOSEN_BY_FIT)
        and value == value  # not NaN
        and isinstance(value, str | int | float | bool | None)
        and not (value == usual.get(name) == ours.get(name))
    }


def _template_values(
    project: Project,
    sql: FeatureSql,
    features: Sequence[Feature],
    champion: Champion | None,
    plan: Mapping[str, Any],
) -> dict[str, Any]:
    kinds = list(plan["models"])
    libraries = list(dict.fromkeys(LIBRARIES[kind] for kind in kinds if kind in LIBRARIES))
    layers = sql.layers
    made = [f"`{layer}`" for layer in dict.fromkeys(model["schema"] for model in sql.models)]
    has_numbers = any("row_number_" in table["columns"] for table in sql.raw)
    trees = [kind for kind in kinds if kind in LIBRARIES]
    return {
        "project": project.name,
        "version": __version__,
        "layers": layers,
        "layers_text": f"views and tables in {', '.join(made)}",
        "raw": sql.raw,
        "raw_schemas": list(dict.fromkeys(table["schema"] for table in sql.raw)),
        "row_number_text": " `row_number_` is the number of a row in its file, from 1." if has_numbers else "",
        "reasons": project.settings.scoring.reasons,
        "model_folder": TRAINED if champion is None else CHAMPION,
        "champion": champion and {"version": champion.version, "title": model_title(champion.card.model)},
        "models_text": " and ".join(f"`{kind}`" for kind in kinds) + (", whose average scores," if kinds[1:] else ""),
        "tree_text": " and the trees in the format of " + " and ".join(libraries) if trees else "",
        "libraries": listed(["pandas", "NumPy", "SciPy", "scikit-learn", *libraries]),
        "split_text": _split_text(project, plan["split"]),
        "texts": [f"`{name}`" for name in sql.texts],
        "text_features": len(text_features(features)),
    }


def _split_text(project: Project, split: Mapping[str, Any]) -> str:
    if split["by"] == "customer":
        return "Rows have no dates: a fifth of the customers are the test, and the model that is kept has seen all."
    if split["by"] == "column":
        return f"The column `{split['column']}` says which rows are the test."
    return "The test is the latest period; rows whose label window reaches into it are purged, as in `retention train`."


def _wrapped(text: str, prefix: str = "") -> str:
    """A paragraph in lines of a readable length."""
    return "\n".join(
        textwrap.wrap(
            text,
            LINE,
            initial_indent=prefix,
            subsequent_indent=prefix,
            break_long_words=False,
            break_on_hyphens=False,
        )
    )


def _rendered(template: str, values: Mapping[str, Any]) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(  # noqa: S701 - Python and Markdown, no HTML
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["literal"] = lambda text: json.dumps(text, ensure_ascii=False)
    environment.filters["wrapped"] = _wrapped
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment.get_template(template).render(values)
