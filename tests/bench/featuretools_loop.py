"""Featuretools: cutoff times and a training window, one calculation per window.

It has one clock for a row: what arrives late cannot be told apart from what happened late. So this comparison has
events that are known when they happen, on both sides.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import warnings
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .declaration import ENTITY, SOURCE, WINDOWS, feature_columns

if TYPE_CHECKING:
    import pandas as pd

# Beside the project's own packages, not among them: nothing else needs these. All the rest that Featuretools
# imports (pandas, numpy, scikit-learn ...) is the project's.
PACKAGES = (
    "featuretools==1.31.0",
    "woodwork==0.31.0",
    "holidays==0.109",
    "importlib_resources==7.1.0",
    "psutil==7.2.2",
)
FOLDER = Path(__file__).resolve().parents[2] / "build" / "featuretools"


def install(folder: Path = FOLDER) -> Path | None:
    """Where Featuretools can be imported from, installing it there when it is missing; None: no folder is needed.

    Raises
    ------
    subprocess.CalledProcessError
        When pip cannot install it.
    """
    if importlib.util.find_spec("featuretools"):
        return None
    if not (folder / "featuretools").is_dir():
        print(f"installing Featuretools into {folder.parent.name}/{folder.name} ...", flush=True)
        command = ["-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps", "--target", folder]
        subprocess.run([sys.executable, *command, *PACKAGES], check=True)
    return folder


def with_featuretools(events: pd.DataFrame, customers: list[str], dates: list[datetime]) -> pd.DataFrame:
    """Features of every customer at every date; `available_at` is not looked at."""
    import featuretools as ft
    import pandas as pd

    warnings.filterwarnings("ignore", module="(featuretools|woodwork).*")
    types = {"amount": "Double", "items": "Integer", "category": "Categorical", "online": "Boolean"}
    entities = ft.EntitySet()
    entities.add_dataframe(pd.DataFrame({ENTITY: customers}), dataframe_name="customers", index=ENTITY)
    entities.add_dataframe(
        events.drop(columns="available_at").assign(online_amount=events["amount"].where(events["online"])),
        dataframe_name="events",
        index="event_id",
        make_index=True,
        time_index="event_at",
        logical_types=types | {"online_amount": "Double"},
    )
    entities.add_relationship("customers", ENTITY, "events", ENTITY)
    cutoffs = pd.MultiIndex.from_product([customers, dates], names=[ENTITY, "time"]).to_frame(index=False)
    in_window, over_all = _features(ft, entities)
    parts = []
    for window, hours in WINDOWS.items():
        wanted = in_window | (over_all if hours is None else {})
        matrix = ft.calculate_feature_matrix(
            list(wanted.values()),
            entities,
            cutoff_time=cutoffs,
            cutoff_time_in_index=True,
            training_window=None if hours is None else ft.Timedelta(hours, "h"),
            include_cutoff_time=False,
        )
        matrix = pd.DataFrame(matrix[[feature.get_name() for feature in wanted.values()]])
        matrix.columns = [f"{SOURCE}_{part}" if part in over_all else f"{SOURCE}_{part}_{window}" for part in wanted]
        parts.append(matrix)
    features = pd.concat(parts, axis=1)
    return _as_declared(features).rename_axis([ENTITY, "feature_timestamp"]).reset_index()


def _features(ft: Any, entities: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Feature definitions: those of every window, and those over all time."""
    from featuretools import primitives

    def feature(column: str, primitive: Any) -> Any:
        return ft.Feature(entities["events"].ww[column], parent_dataframe_name="customers", primitive=primitive)

    in_window = {
        "count": feature("event_id", primitives.Count),
        "amount_sum": feature("amount", primitives.Sum),
        "amount_mean": feature("amount", primitives.Mean),
        "amount_min": feature("amount", primitives.Min),
        "amount_max": feature("amount", primitives.Max),
        "amount_stddev": feature("amount", primitives.Std),
        "items_sum": feature("items", primitives.Sum),
        "items_mean": feature("items", primitives.Mean),
        "items_min": feature("items", primitives.Min),
        "items_max": feature("items", primitives.Max),
        "category_nunique": feature("category", primitives.NumUnique),
        "online_share": feature("online", primitives.PercentTrue),
        "online_any": feature("online", primitives.Any),
        "amount_online_sum": feature("online_amount", primitives.Sum),
    }
    over_all = {
        "days_since_last": feature("event_at", primitives.TimeSinceLast(unit="days")),
        "days_since_first": feature("event_at", primitives.TimeSinceFirst(unit="days")),
        "mean_gap_days": feature("event_at", primitives.AvgTimeBetween(unit="days")),
    }
    return in_window, over_all


def _as_declared(features: pd.DataFrame) -> pd.DataFrame:
    """The same column order, and the same words for nothing, as `window_features`."""
    features = features[feature_columns(list(WINDOWS))].copy()
    for name in features:
        if "_any_" in name:
            features[name] = features[name].eq(True).fillna(value=False).astype(bool)
        elif "_count_" in name or "_nunique_" in name:
            features[name] = features[name].fillna(0).astype("int64")
        elif "_sum_" in name:
            features[name] = features[name].astype(float).fillna(0)
        else:
            features[name] = features[name].astype(float)
        if "_share_" in name:
            window = name.rsplit("_share_", 1)[1]
            features[name] = features[name].where(features[f"{SOURCE}_count_{window}"] > 0)
    return features
