"""A world for rehearsals: what makes customers leave turns round at a known time, and some features come late."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import yaml

from python_ml.monitor.rehearsal.results import rehearsal_results
from python_ml.monitor.rehearsal.visible import Visible
from python_ml.monitor.rehearsal.walk import FinishedStep, Walk
from python_ml.project import Project
from python_ml.report.rehearsal_page import render_rehearsal
from tests.python.churn_world import ChurnWorld, churn_world, write_project

MONTHS, CHANGE = 15, 6
FITTED = "noise_0"  # a component of texts that were known before FITTED_BEFORE
SETTINGS = {
    "training": {
        "bootstrap_replicates": 60,
        "calibration_folds": 2,
        "models": {name: {"enabled": name == "logistic_regression"} for name in
                   ("logistic_regression", "lightgbm", "xgboost", "random_forest")},
        "split": {"validation_share": 0.2, "test_share": 0.3},
    },
    "monitor": {"drift": {"sample_rows": 300}, "performance": {"replicates": 30, "shift_rows": 300}},
    "decisions": {"contact_cost": 1.0, "offer_cost": 10.0, "value": {"placeholder": 200.0}},
}  # fmt: skip


def turning_world() -> ChurnWorld:
    """Customers who leave if they order little, and from month ``CHANGE`` on if they order much (a price change)."""
    world = churn_world(customers=240, months=MONTHS, noise=2, seed=5)
    frame = world.frame.copy()
    rng = np.random.default_rng(11)
    month = frame["feature_timestamp"].rank(method="dense").to_numpy() - 1
    activity = np.arcsinh(frame["orders_count_30d"].to_numpy(dtype=float))
    centred = activity - activity.mean()
    risk = 1 / (1 + np.exp(1.5 + np.where(month < CHANGE, 1.6, -1.6) * centred))
    frame["churned"] = (rng.random(len(frame)) < risk).astype("int32")
    times = sorted(frame["feature_timestamp"].unique())
    before = pd.Timestamp(times[4]).isoformat()
    features = [
        replace(one, fitted="tickets.body", fitted_before=before, fitted_digest="d") if one.name == FITTED else one
        for one in world.features
    ]
    return ChurnWorld(frame, features, world.oracle)


@dataclass(frozen=True)
class FrameSource:
    """What is visible of a frame of features and labels at a time; ``opened`` lists the times that were asked for."""

    frame: pd.DataFrame
    opened: list[datetime]
    killed_at: datetime | None = None

    @contextmanager
    def __call__(self, time: datetime) -> Iterator[Visible]:
        """Features up to the time, and labels whose windows were over."""
        if time == self.killed_at:
            raise KeyboardInterrupt
        self.opened.append(time)
        rows = self.frame[self.frame["feature_timestamp"] <= time]
        tables = {
            "gld_customer_features": rows.drop(columns=["churned", "label_timestamp"]),
            "gld_training_set": rows[rows["label_timestamp"] <= time],
        }
        with duckdb.connect() as connection:
            connection.execute("set timezone = 'UTC'; create schema gold")
            for name, table in tables.items():
                connection.register("incoming", table)
                connection.execute(f"create table gold.{name} as select * from incoming")
                connection.unregister("incoming")
            yield Visible(connection)


def shop(folder: Path, world: ChurnWorld) -> Project:
    """A project whose settings make small trainings."""
    write_project(folder, world)
    (folder / "retention.yml").write_text(yaml.safe_dump(SETTINGS), encoding="utf-8")
    return Project.open(folder)


def walk_of(project: Project, world: ChurnWorld, folder: Path, times: list[datetime], **options: object) -> Walk:
    """A rehearsal of these times in a folder."""
    source = FrameSource(options.pop("frame", world.frame), [], **options)
    return Walk(project, times, source, world.features, folder)


def page_of(walk: Walk, steps: list[FinishedStep], world: ChurnWorld) -> str:
    """The page, with the outcomes that are known at the end."""
    found = rehearsal_results(steps, world.frame, "customer_id", walk.settings, walk.versions)
    return render_rehearsal(found, "shop")
