"""A frame of one's own, as a training set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from python_ml.dbt import SCORING_SET, Feature
from python_ml.durations import fixed_hours
from python_ml.errors import RetentionError, UserError
from python_ml.model.dataset import TrainingSet

if TYPE_CHECKING:
    from python_ml.settings import Settings

WHERE = "the frame"
STATIC, DATED = "static", "production"
LABELS = ("feature_timestamp", "label_timestamp", "churned")  # what a training set has besides the entity
ROW = "row_number"  # the entity where every row is a customer of its own
NO_TIME = pd.Timestamp("1970-01-01")
NOTHING = pd.Timedelta(0)


class TrainingRows(NamedTuple):
    """What :mod:`python_ml.model` asks for; see :func:`python_ml.model.train.train_models`."""

    frame: pd.DataFrame
    features: Sequence[Feature]
    entity: str
    label: dict[str, str | None]
    scenario: str | None


def named_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame whose columns have names, as they had for training.

    Raises
    ------
    UserError
        When it is something else, or a column appears twice.
    """
    if not isinstance(frame, pd.DataFrame):
        raise UserError(
            f"This function takes a pandas.DataFrame, not {type(frame).__name__}.",
            where="data",
            hint="convert it first, for instance by .to_pandas() or .df()",
        )
    named = frame if all(isinstance(name, str) for name in frame.columns) else frame.rename(columns=str)
    repeated = sorted(set(named.columns[named.columns.duplicated()]))
    if repeated:
        raise UserError(f"Columns appear twice: {', '.join(repeated)}.", where=WHERE, hint="rename or drop one of each")
    return named


@contextmanager
def scored_frame() -> Iterator[None]:
    """Say of a frame what would be said of a project's scoring set."""
    try:
        yield
    except UserError as error:
        if error.where not in (WHERE, SCORING_SET):
            raise
        hint = "bring the columns that the model was trained with (model.feature_names_in_), of the same types"
        raise UserError(error.what, where=WHERE, hint=hint) from None


def training_rows(
    data: pd.DataFrame | TrainingSet,
    target: str,
    entity: str | None,
    time: str | None,
    horizon: str | pd.Timedelta | None,
    label_time: str | None,
    positive: Any,
) -> TrainingRows:
    """Bring a frame of one's own into the shape of ``gold.gld_training_set``, or take what a project has.

    Parameters are those of :func:`python_ml.train`.

    Raises
    ------
    UserError
        When a column is missing, empty, repeated, or of a type that no model takes.
    """
    if isinstance(data, TrainingSet):
        return TrainingRows(data.frame, data.features, data.entity, data.label, data.scenario)
    frame = named_frame(data).reset_index(drop=True)
    target = str(target)
    entity, time, label_time = (None if name is None else str(name) for name in (entity, time, label_time))
    given = {"target": target, "entity": entity, "time": time, "label_time": label_time}
    for name, column in given.items():
        if column is not None and column not in frame.columns:
            raise UserError(
                f"There is no column {column}.",
                where=f"{name}={column!r}",
                hint=f"the columns are {', '.join(frame.columns[:12])}{', …' if frame.shape[1] > 12 else ''}",
            )
    if frame.empty:
        raise UserError("The frame has no rows.", where=WHERE, hint="bring labelled customers")
    taken = [name for name in LABELS if name in frame.columns and name not in given.values()]
    if taken:
        raise UserError(
            f"The name {taken[0]} is needed for the training set itself.",
            where=f"{WHERE}, column {taken[0]}",
            hint="drop the column, rename it, or name it as target, time or label_time",
        )
    rows = frame.drop(columns=[column for column in dict.fromkeys(given.values()) if column is not None])
    features = [feature_of(rows[name]) for name in rows.columns]
    if not features:
        raise UserError("There are no feature columns.", where=WHERE, hint="keep features in the frame")
    key = entity if entity is not None else ROW
    if entity is None:
        rows[key] = range(len(rows))
    else:
        _complete(frame[entity], "entity")
        rows[key] = frame[entity]
    starts = pd.Series(NO_TIME, index=frame.index) if time is None else utc_times(frame[time], "time")
    if label_time is not None:
        ends = utc_times(frame[label_time], "label_time")
    else:
        ends = starts + (NOTHING if horizon is None else _span(horizon))
    rows["feature_timestamp"], rows["label_timestamp"] = starts, ends
    rows["churned"] = _outcome(frame[target], target, positive)
    if rows.duplicated([key, "feature_timestamp"]).any():
        raise UserError(
            f"Some customers have several rows{'' if time is None else ' at one time'}.",
            where=f"{WHERE}, column {key}",
            hint="name the column with the as-of time of a row (time=…), or keep one row per customer",
        )
    label = {"horizon": None if horizon is None else str(horizon), "gap": None}
    scenario = STATIC if time is None else DATED
    return TrainingRows(rows, [Feature(key, "key", "varchar"), *features], key, label, scenario)


@contextmanager
def labelled_frame(data: pd.DataFrame | TrainingSet) -> Iterator[None]:
    """Say of a frame what would be said of a project's training set."""
    try:
        yield
    except RetentionError as error:
        if isinstance(data, TrainingSet) or not (error.where or "").startswith("gold."):
            raise
        hint = None if error.hint is None else error.hint.replace("in retention.yml ", "in settings=… ")
        raise type(error)(error.what, where=WHERE, hint=hint) from None


def feature_of(values: pd.Series) -> Feature:
    """What a column is to a model.

    Raises
    ------
    UserError
        When it is a date or anything else that no model takes.
    """
    name = str(values.name)
    kind = pd.api.types.infer_dtype(values, skipna=True)
    if pd.api.types.is_bool_dtype(values.dtype) or kind == "boolean":
        return Feature(name, "feature", "boolean")
    if pd.api.types.is_numeric_dtype(values.dtype) or kind in ("decimal", "integer", "mixed-integer-float", "empty"):
        return Feature(name, "feature", "double")
    if kind in ("string", "categorical", "mixed-integer"):
        return Feature(name, "feature", "varchar")
    raise UserError(
        f"The column {name} holds {kind} values, which no model takes.",
        where=f"{WHERE}, column {name}",
        hint="make it a number (days since a date, for instance) or a text category, or drop it",
    )


def keyed(frame: pd.DataFrame, entity: str) -> tuple[pd.DataFrame, list[str]]:
    """The frame with the keys of a scoring set, and those that it lacked."""
    added = {}
    if entity not in frame.columns:
        added[entity] = range(len(frame))
    if "feature_timestamp" not in frame.columns:
        added["feature_timestamp"] = pd.Series(pd.NaT, index=frame.index, dtype="datetime64[us]")
    return frame.assign(**added), list(added)


def settings_of(settings: Settings | Mapping[str, Any] | None, models: Any) -> Settings:
    """Settings from what a caller gave; ``models`` names those that take part.

    Raises
    ------
    UserError
        When there is no such setting or model, or a value is out of range.
    """
    from pydantic import ValidationError

    from python_ml.settings import Models, Settings

    if settings is None:
        settings = Settings()
    elif not isinstance(settings, Settings):
        try:
            settings = Settings.model_validate(settings)
        except ValidationError as error:
            first = error.errors()[0]
            raise UserError(
                f"{'.'.join(map(str, first['loc'])) or 'settings'}: {first['msg'].removeprefix('Value error, ')}.",
                where="settings",
                hint="give a mapping of the shape of retention.yml",
            ) from error
    if models is None:
        return settings
    wanted = [models] if isinstance(models, str) else list(models)
    unknown = [name for name in wanted if name not in Models.model_fields]
    if unknown or not wanted:
        raise UserError(
            f"There is no model {unknown[0]}." if unknown else "No model is named.",
            where="models",
            hint=f"choose among {', '.join(Models.model_fields)}",
        )
    return settings.with_models(wanted)


def _complete(values: pd.Series, what: str) -> None:
    if values.isna().any():
        raise UserError(
            f"The column {values.name} has {int(values.isna().sum())} empty value(s).",
            where=f"{what}={values.name!r}",
            hint="drop these rows: training needs a key, a time and a known outcome in every row",
        )


def utc_times(values: pd.Series, what: str) -> pd.Series:
    """Times as naive UTC; ``what`` is the parameter that named the column."""
    _complete(values, what)
    if pd.api.types.is_numeric_dtype(values.dtype):
        raise UserError(
            f"The column {values.name} holds numbers, not times.",
            where=f"{what}={values.name!r}",
            hint="convert it with pandas.to_datetime, which asks for the unit",
        )
    try:
        return pd.to_datetime(values, utc=True).dt.tz_localize(None).astype("datetime64[us]")
    except (ValueError, TypeError) as error:
        raise UserError(
            f"The column {values.name} does not hold times: {error}.",
            where=f"{what}={values.name!r}",
            hint="convert it with pandas.to_datetime",
        ) from error


def _span(horizon: str | pd.Timedelta) -> pd.Timedelta:
    hours = fixed_hours(horizon.strip()) if isinstance(horizon, str) else None
    if hours is not None:
        return pd.Timedelta(hours=hours)
    if not isinstance(horizon, timedelta | np.timedelta64) or pd.isna(horizon) or pd.Timedelta(horizon) < NOTHING:
        raise UserError(  # a bare number would be nanoseconds, which purge nothing
            f"`{horizon}` is not a fixed duration.", where="horizon", hint="write 36h, 30d or 4w, for instance"
        )
    return pd.Timedelta(horizon)


def _outcome(values: pd.Series, target: str, positive: Any) -> pd.Series:
    _complete(values, "target")
    if positive is not None:
        outcome = values == positive
    else:
        outcome = values
        strange = sorted(set(values.unique().tolist()) - {0, 1}, key=str)
        if strange:
            raise UserError(
                f"The target is not binary: {target} holds {', '.join(map(str, strange[:5]))}.",
                where=f"target={target!r}",
                hint="say which value means churn (positive=…), or make it 1 for churned and 0 for retained",
            )
    if outcome.nunique() < 2:
        raise UserError(
            f"Every customer {'churned' if bool(outcome.iloc[0]) else 'was retained'}: training needs both classes.",
            where=f"target={target!r}",
            hint="bring churned and retained customers" + ("" if positive is None else f"; positive is {positive!r}"),
        )
    return outcome.astype(int)
