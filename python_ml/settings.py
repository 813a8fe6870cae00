"""The settings of ``retention.yml``: what only the Python half needs, checked when it is read.

What SQL needs as well (churn definition, horizon, gap, windows) stands in ``dbt_project.yml`` instead.
"""

from __future__ import annotations

import difflib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)

from python_ml.errors import UserError
from python_ml.yaml_io import parsed


def _reasons(what: str) -> AfterValidator:
    """Ask for a reason behind every name; ``what`` says what of them is accepted."""

    def checked(value: dict[str, str]) -> dict[str, str]:
        for name, reason in value.items():
            if not reason.strip():
                raise ValueError(f"say why `{name}` {what}")
        return value

    return AfterValidator(checked)


# A key with nothing behind it is as good as no key.
EMPTY_MAPPING = BeforeValidator(lambda value: {} if value is None else value)
EMPTY_LIST = BeforeValidator(lambda value: () if value is None else value)


class Section(BaseModel):
    """A mapping of ``retention.yml``: unknown keys are mistakes, not extensions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _empty_means_defaults(cls, value: Any) -> Any:
        return {} if value is None else value


class ModelSettings(Section):
    """One kind of model: whether it takes part, and parameters that replace our defaults."""

    enabled: bool = True
    parameters: Annotated[dict[str, Any], EMPTY_MAPPING] = Field(default_factory=dict)


class Models(Section):
    """The kinds of model, from the simplest to explain to the hardest."""

    logistic_regression: ModelSettings = ModelSettings()
    lightgbm: ModelSettings = ModelSettings()
    xgboost: ModelSettings = ModelSettings()
    random_forest: ModelSettings = ModelSettings()

    @model_validator(mode="after")
    def _one_enabled(self) -> Models:
        if not self.enabled:
            raise ValueError("at least one model must be enabled")
        return self

    @property
    def enabled(self) -> list[str]:
        """Names of the models that take part."""
        return [name for name in type(self).model_fields if getattr(self, name).enabled]


class Split(Section):
    """How the labelled feature times are divided; see docs/guides/training.md."""

    validation_share: float = Field(0.2, gt=0, lt=0.9)
    test_share: float = Field(0.2, gt=0, lt=0.9)
    validation_from: datetime | None = None
    test_from: datetime | None = None
    column: str | None = None

    @field_validator("validation_from", "test_from", mode="before")
    @classmethod
    def _midnight(cls, value: Any) -> Any:
        # YAML reads 2024-05-01 as a date; a split starts at its midnight.
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime(value.year, value.month, value.day)
        return value

    @field_validator("validation_from", "test_from")
    @classmethod
    def _naive_utc(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is not None:
            return value.astimezone(UTC).replace(tzinfo=None)
        return value

    @model_validator(mode="after")
    def _room_for_training(self) -> Split:
        if self.validation_share + self.test_share >= 0.95:
            raise ValueError("validation_share and test_share must leave some history to train on")
        if self.validation_from and self.test_from and self.validation_from >= self.test_from:
            raise ValueError("validation_from must lie before test_from")
        if self.column and (self.validation_from or self.test_from):
            raise ValueError("a split is given by column or by dates, not by both")
        return self


class Selection(Section):
    """Which model becomes champion."""

    metric: Literal["roc_auc", "pr_auc", "brier", "ece", "lift_at_10pct"] = "roc_auc"
    tolerance: float = Field(0.002, ge=0, lt=0.5)
    ensemble: bool = True


class CrossValidation(Section):
    """How rows without dates are divided; see docs/guides/tables_without_dates.md."""

    folds: int = Field(5, ge=2, le=20)


class Training(Section):
    """How models are fitted, measured and compared."""

    seed: int = Field(20240229, ge=0, lt=2**31)
    calibration_folds: int = Field(5, ge=2, le=20)
    bootstrap_replicates: int = Field(500, ge=0, le=10_000)
    models: Models = Models()
    selection: Selection = Selection()
    split: Split = Split()
    cross_validation: CrossValidation = CrossValidation()


class Features(Section):
    """Which columns of the training set models may use, and how they see them.

    Everything fitted (power, rank, scales, target means) is fitted on training rows, inside the models' pipelines.
    """

    exclude: Annotated[tuple[str, ...], EMPTY_LIST] = ()
    transform: Annotated[dict[str, Literal["none", "asinh", "log", "power", "rank"]], EMPTY_MAPPING] = Field(
        default_factory=dict
    )
    scale: Annotated[dict[str, Literal["standard", "robust", "none"]], EMPTY_MAPPING] = Field(default_factory=dict)
    encode: Annotated[dict[str, Literal["one_hot", "target"]], EMPTY_MAPPING] = Field(default_factory=dict)


class Leakage(Section):
    """When a single column is not believed, and which are used all the same."""

    limit: float = Field(0.9, gt=0.5, le=1)
    accept: Annotated[dict[str, str], EMPTY_MAPPING, _reasons("may be used")] = Field(default_factory=dict)


class Limits(Section):
    """Shares of rows: more than ``warn`` warns, more than ``stop`` stops; 1 never happens."""

    warn: float = Field(ge=0, le=1)
    stop: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _tell_first(self) -> Limits:
        if self.stop < self.warn:
            raise ValueError("stop must not be below warn")
        return self


class Quality(Section):
    """When a frame is not fit to be learnt from or scored; see docs/guides/quality.md."""

    least_rows: int = Field(50, ge=1)
    fewer_rows: Limits = Limits(warn=0.5, stop=0.9)
    null_jump: Limits = Limits(warn=0.1, stop=0.5)
    out_of_range: Limits = Limits(warn=0.05, stop=0.5)
    range_margin: float = Field(1.0, ge=0)
    new_categories: Limits = Limits(warn=0.01, stop=0.5)
    stale_steps: float = Field(2, gt=0)
    accept: Annotated[dict[str, str], EMPTY_MAPPING, _reasons("may fail")] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _parts_have_defaults(cls, value: Any) -> Any:
        # Who sets one of `warn` and `stop` keeps our other one.
        if not isinstance(value, dict):
            return value
        defaults = {name: f.default for name, f in cls.model_fields.items() if isinstance(f.default, Limits)}
        given = {name: part or {} for name, part in value.items() if name in defaults}
        return value | {
            name: {**defaults[name].model_dump(), **part} for name, part in given.items() if isinstance(part, dict)
        }


class RiskBands(Section):
    """Shares of customers per risk band, measured on the champion's validation probabilities."""

    high: float = Field(0.10, gt=0, lt=1)
    medium: float = Field(0.20, ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_some_low(self) -> RiskBands:
        if self.high + self.medium >= 1:
            raise ValueError("high and medium together must stay below 1, so that someone is at low risk")
        return self


class Scoring(Section):
    """How customers are scored."""

    reasons: int = Field(3, ge=1, le=20)
    risk_bands: RiskBands = RiskBands()


class Tracking(Section):
    """Names in MLflow; None takes them from the project's name."""

    experiment: str | None = Field(None, min_length=1)


class Settings(Section):
    """Everything that ``retention.yml`` can say."""

    features: Features = Features()
    leakage: Leakage = Leakage()
    quality: Quality = Quality()
    training: Training = Training()
    scoring: Scoring = Scoring()
    mlflow: Tracking = Tracking()

    _path: str = PrivateAttr("retention.yml")
    _lines: dict[tuple, int] = PrivateAttr(default_factory=dict)

    def where(self, *location: str) -> str:
        """Say where a setting stands (file, line when it is written there, name), for messages."""
        line = f", line {self._lines[location]}" if location in self._lines else ""
        return f"{self._path}{line}, {'.'.join(location)}"


def load_settings(path: Path) -> Settings:
    """Read and check ``retention.yml``.

    Parameters
    ----------
    path : Path
        The file; when it does not exist, the defaults apply.

    Raises
    ------
    UserError
        Names the file, the line and the setting, and how to fix it: for text that is not YAML, for unknown
        or repeated keys and for values out of range.
    """
    if not path.exists():
        return Settings()
    lines: dict[tuple, int] = {}
    with parsed(path, "settings") as (loader, node):
        data = {} if node is None else _construct(loader, node, path, (), lines)
    if data is None:
        return Settings()
    if not isinstance(data, dict):
        raise UserError(
            "The settings must be a mapping of sections.",
            where=f"{path}, line 1",
            hint=f"begin with one of: {', '.join(Settings.model_fields)}",
        )
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        raise _explain(error, path, lines) from error
    settings._path, settings._lines = str(path), lines
    return settings


def _construct(loader: yaml.SafeLoader, node: yaml.Node, path: Path, at: tuple, lines: dict[tuple, int]) -> Any:
    """Turn a YAML node into Python values, noting the line of every key and refusing repeated keys."""
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_construct(loader, child, path, (*at, i), lines) for i, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return loader.construct_object(node)
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key, line = key_node.value, key_node.start_mark.line + 1
        if isinstance(key, str) and key in seen:
            raise UserError(
                f"The setting `{key}` is there twice.",
                where=f"{path}, lines {seen[key]} and {line}, {'.'.join(map(str, (*at, key)))}",
                hint="keep one of the two",
            )
        if isinstance(key, str):
            seen[key] = line
    loader.flatten_mapping(node)
    values = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node)
        if not isinstance(key, str):
            raise UserError(
                f"The key {key!r} is not text.",
                where=f"{path}, line {key_node.start_mark.line + 1}",
                hint="put it in quotes, or use one of the known settings",
            )
        lines[(*at, key)] = key_node.start_mark.line + 1
        values[key] = _construct(loader, value_node, path, (*at, key), lines)
    return values


def _explain(error: ValidationError, path: Path, lines: dict[tuple, int]) -> UserError:
    """Turn pydantic's findings into one message; the first in the file leads, the others are counted."""

    def line_of(location: tuple) -> int:
        while location and location not in lines:
            location = location[:-1]
        return lines.get(location, 1)

    findings = sorted(error.errors(), key=lambda finding: line_of(finding["loc"]))
    first = findings[0]
    location = first["loc"]
    where = f"{path}, line {line_of(location)}" + (f", {'.'.join(map(str, location))}" if location else "")
    known = _known_keys(location[:-1]) if first["type"] == "extra_forbidden" else []
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(str(location[-1]), known, n=1)
        what = f"There is no setting `{location[-1]}` here."
        hint = f"did you mean `{close[0]}`? " if close else ""
        hint += f"known here: {', '.join(known)}"
    else:
        reason = first["msg"].removeprefix("Value error, ")
        if first["type"] in ("model_type", "model_attributes_type", "dict_type"):
            reason = "this is a section: settings go below it, indented"
        value = first["input"]
        shown = "" if isinstance(value, (dict, BaseModel)) else f" (it is {value!r})"
        what = f"{'.'.join(map(str, location)) or 'The file'}: {reason[0].lower()}{reason[1:]}{shown}."
        hint = "correct the value, or delete the line to use the default"
    if len(findings) > 1:
        others = ", ".join(f"line {line_of(f['loc'])}" for f in findings[1:6])
        hint += f"; {len(findings) - 1} more: {others}"
    return UserError(what, where=where, hint=hint)


def _known_keys(location: tuple) -> list[str]:
    """The keys that the section at ``location`` knows."""
    section: type[BaseModel] = Settings
    for part in location:
        section = section.model_fields[part].annotation
    return list(section.model_fields)
