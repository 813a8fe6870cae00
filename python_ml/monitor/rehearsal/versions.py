"""The models of a rehearsal, in a folder of their own: the project's registry knows nothing of them."""

from __future__ import annotations

import json
import pickle
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.files import read_json, write_json
from python_ml.model import store
from python_ml.model.registry import Champion, ChampionFiles, Version, open_files

if TYPE_CHECKING:
    from python_ml.model.comparison import Contender
    from python_ml.model.dataset import TrainingSet
    from python_ml.settings import Settings

RECORD = "version.json"


@dataclass(frozen=True)
class RehearsedVersion:
    """A model of a rehearsal.

    Attributes
    ----------
    number : int
        Of the step at whose end it was trained, from 1; the first model has 0.
    trained_at : datetime
        Feature time of that step: nothing later was known.
    files : ChampionFiles
    metrics : dict
        ``test.roc_auc`` and so on, as in the model store.
    rows : int
    newest_row : datetime
        Of the labelled rows.
    sha256 : str or None
        Of these rows.
    definitions : dict
        What churn meant.
    """

    number: int
    trained_at: datetime
    files: ChampionFiles
    metrics: dict[str, float]
    rows: int
    newest_row: datetime
    sha256: str | None
    definitions: dict[str, Any]

    def opened(self) -> Champion:
        """The model, ready to score."""
        return open_files(self.files)

    def registered(self) -> Version:
        """As the registry would describe it."""
        tags = {store.ROWS_TAG: str(self.rows), store.NEWEST_ROW_TAG: self.newest_row.isoformat()}
        return Version(self.number, "", self.trained_at, (), tags)

    def contender(self) -> Contender:
        """For the comparison of champion and challenger."""
        from python_ml.model.comparison import Contender

        champion = self.opened()
        return Contender(self.number, champion.model, champion.card, self.sha256, self.definitions, self.files.held_out)


@dataclass(frozen=True)
class VersionFolder:
    """The models of a rehearsal on disk."""

    folder: Path

    def __getitem__(self, number: int) -> RehearsedVersion:
        """A model; its files must be those that were written."""
        folder = self.folder / str(number)
        record = read_json(folder / RECORD, "model of a rehearsal", "run `retention rehearse --restart`")
        model = folder / "model"
        if store.files_digest(model) != record["digest"]:
            from python_ml.errors import UserError

            raise UserError(
                f"The files of version {number} of the rehearsal were changed.",
                where=str(model),
                hint="run `retention rehearse --restart`",
            )
        return RehearsedVersion(
            number,
            datetime.fromisoformat(record["trained_at"]),
            ChampionFiles(model, record["digest"], number, ""),
            record["metrics"],
            record["rows"],
            datetime.fromisoformat(record["newest_row"]),
            record["sha256"],
            record["definitions"],
        )

    def __contains__(self, number: int) -> bool:
        return (self.folder / str(number) / RECORD).is_file()

    def train(self, number: int, time: datetime, rows: TrainingSet, settings: Settings) -> RehearsedVersion:
        """Train on rows that were known at a time, as ``retention train`` does, and keep the model.

        Raises
        ------
        UserError
            When the rows cannot give a model.
        GateError
            When a column is likely to know the outcome.
        """
        from python_ml.model.comparison import outcome_definitions
        from python_ml.model.tracking import flat, write_extra_files
        from python_ml.model.train import train_models
        from python_ml.monitor.reference import with_reference
        from python_ml.quality import model_facts

        if number in self:  # killed between the training and the end of its step
            return self[number]
        result = train_models(
            rows.frame, rows.features, rows.entity, settings, label=rows.label, scenario=rows.scenario
        )
        result = with_reference(result, rows, settings.features)
        folder = self.folder / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        extra = folder / "model" / "extra_files"
        extra.mkdir(parents=True)
        facts = model_facts(result.dataset, result.card, rows.features).to_json()
        write_extra_files(result, rows.entity, facts, extra)
        (folder / "model" / "model.pkl").write_bytes(pickle.dumps(result.model))
        record = {
            "trained_at": time.isoformat(),
            "digest": store.files_digest(folder / "model"),
            "metrics": flat({"test": result.metrics["test"]}),
            "rows": len(result.dataset),
            "newest_row": result.dataset["feature_timestamp"].max().isoformat(),
            "sha256": rows.sha256,
            "definitions": json.loads(json.dumps(outcome_definitions(rows.definitions), default=str)),
        }
        write_json(folder / RECORD, record)
        return self[number]
