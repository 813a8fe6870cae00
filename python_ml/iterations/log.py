"""The iterations of a project in MLflow: parent runs whose children are the trainings."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.files import locked, read_json
from python_ml.iterations.schema import Iteration, LoggedTraining, Trigger
from python_ml.model import store
from python_ml.model.registry import ModelRegistry
from python_ml.model.tracking import FOLDER_TAG, experiment_id, experiment_name

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

    from python_ml.project import Project

NUMBER_TAG, TRIGGER_TAG = "retention.iteration", "retention.trigger"
PARENT_TAG, REASON_TAG = "retention.parent_iteration", "retention.reason"
REUSED_TAG = "retention.reused_runs"
PROJECT_TAG = "retention.project"  # several may share an experiment
RECOMMENDATIONS_FILE, FEEDBACK_FILE = "recommendations.json", "feedback.json"
_STATUS = {"RUNNING": "open", "SCHEDULED": "open", "FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}


class IterationLog:
    """The iterations of a project.

    Parameters
    ----------
    project : Project
    registry : ModelRegistry
    """

    def __init__(self, project: Project, registry: ModelRegistry) -> None:
        self.project, self.registry = project, registry
        self.client: MlflowClient = registry.client
        self.local = store.is_local(store.absolute_uri(project.tracking_uri, project.root))

    @classmethod
    def of(cls, project: Project, *, create: bool = False) -> IterationLog | None:
        """The iterations of a project; None where nothing has been written yet, unless the store is to be made.

        Raises
        ------
        UserError
            When the store does not answer.
        """
        registry = ModelRegistry.of(project)
        if registry is None and create:
            uri = store.absolute_uri(project.tracking_uri, project.root)
            registry = ModelRegistry.in_store(project, uri)
        return None if registry is None else cls(project, registry)

    @property
    def _experiments(self) -> list[str]:
        """Those of this project, also from before its folder was moved."""
        name = experiment_name(self.project)
        known = self.client.search_experiments()
        return [one.experiment_id for one in known if one.name == name or one.name.startswith(f"{name} (")]

    def iterations(self) -> list[Iteration]:
        """All iterations, by number."""
        runs = self._runs(f"tags.`{NUMBER_TAG}` != ''")
        # The project is compared here: MLflow's filters cannot quote every name.
        own = [_iteration(run) for run in runs if run.data.tags.get(PROJECT_TAG) == self.project.name]
        return sorted(own, key=lambda iteration: iteration.number)

    def find(self, number: int) -> Iteration:
        """One iteration.

        Raises
        ------
        UserError
            When there is none of that number.
        """
        known = self.iterations()
        found = next((one for one in known if one.number == number), None)
        if found is None:
            raise UserError(
                f"There is no iteration {number}.",
                where=f"{self.project.name} (there: {', '.join(str(one.number) for one in known) or 'none'})",
                hint="`retention iterate list` shows the iterations",
            )
        return found

    def open_one(self) -> Iteration | None:
        """The iteration that trainings by hand belong to."""
        is_open = [one for one in self.iterations() if one.status == "open" and not one.is_automatic]
        return is_open[-1] if is_open else None

    def start(
        self, trigger: Trigger, reason: str, *, parent: int | None = None, is_automatic: bool = False
    ) -> Iteration:
        """Start an iteration, with the recommendations and the stages that it starts from.

        Parameters
        ----------
        trigger : Trigger
        reason : str
        parent : int, optional
            Number of the iteration that it continues.  [default: the newest]
        is_automatic : bool
            Whether a command started it that trains and finishes it; if that is killed, the next training closes it.
        """
        from python_ml.iterations.recommended import recommended, source_file
        from python_ml.iterations.stages import stages

        # Whatever can fail is read before anything is written.
        current, file, explored = recommended(self.project), source_file(self.project), stages(self.project)
        root = self.project.root
        with locked(root / store.ARTIFACT_FOLDER / store.LOCK):
            known = self.iterations()
            number = 1 + max((one.number for one in known), default=0)
            parent = parent if parent is not None or not known else known[-1].number
            tags = {
                "mlflow.runName": f"iteration {number}",
                PROJECT_TAG: self.project.name,
                NUMBER_TAG: str(number),
                TRIGGER_TAG: str(trigger),
                REASON_TAG: reason[: store.TAG_LENGTH],
                **({PARENT_TAG: str(parent)} if parent is not None else {}),
                **({FOLDER_TAG: f"{platform.node()}:{root}"} if is_automatic else {}),
            }
            run = self.client.create_run(
                experiment_id(self.client, experiment_name(self.project), root, local=self.local), tags=tags
            )
        run_id = run.info.run_id
        if file is not None:
            self.client.log_text(run_id, file.read_text(encoding="utf-8"), f"start/{file.name}")
        entries = [one.to_dict() for one in current]
        self.client.log_dict(run_id, {"recommendations": entries}, f"start/{RECOMMENDATIONS_FILE}")
        self.log_stages(run_id, explored)
        return self.find(number)

    def log_stages(self, run_id: str, explored: Mapping[str, Any]) -> None:
        """Keep what profile, relations and features are, with their counts as metrics."""
        from mlflow.entities import Metric

        now = int(datetime.now(UTC).timestamp() * 1000)
        for stage, content in explored.items():
            self.client.log_dict(run_id, content, f"stages/{stage}.json")
        counts = {f"{stage}.{name}": n for stage, content in explored.items() for name, n in content["figures"].items()}
        self.client.log_batch(run_id, [Metric(name, value, now, 0) for name, value in counts.items()])

    def note_reuse(self, iteration: str, run_id: str) -> None:
        """Keep that a training of an iteration would have repeated an earlier one, which takes its place.

        Parameters
        ----------
        iteration, run_id : str
            Runs of the iteration, and of the earlier training.
        """
        known = json.loads(self.client.get_run(iteration).data.tags.get(REUSED_TAG, "[]"))
        self.client.set_tag(iteration, REUSED_TAG, json.dumps(list(dict.fromkeys([*known, run_id]))))

    def trainings(self, iteration: Iteration) -> list[LoggedTraining]:
        """The finished trainings of an iteration and those that were reused, the earliest first."""
        versions = {version.run_id: version.number for version in self.registry.versions()}
        children = self._runs(f"tags.`mlflow.parentRunId` = '{iteration.run_id}'")
        runs = {run.info.run_id: run for run in children if run.info.status == "FINISHED"}
        runs |= {run_id: self.client.get_run(run_id) for run_id in iteration.reused if run_id not in runs}
        return [_training(run, versions) for run in sorted(runs.values(), key=lambda run: run.info.start_time)]

    def finish(self, iteration: Iteration, files: Mapping[str, Any], status: str = "FINISHED") -> None:
        """End an iteration.

        Parameters
        ----------
        iteration : Iteration
        files : mapping of str to object
            What is kept with it, as JSON by name.
        status : str
            ``FINISHED`` or ``FAILED``.
        """
        from python_ml.iterations.stages import stages

        for name, content in files.items():
            self.client.log_dict(iteration.run_id, content, name)
        self.log_stages(iteration.run_id, stages(self.project))
        self.client.set_terminated(iteration.run_id, status=status)

    def read(self, run_id: str, name: str) -> Any:
        """A JSON document that is kept with a run; None where there is none."""
        path = self.artifact(run_id, name)
        return None if path is None else read_json(path, "record of an iteration", "restore the folder mlartifacts")

    def artifact(self, run_id: str, name: str) -> Path | None:
        """A file that is kept with a run, on this machine; None where there is none."""
        uri = self.client.get_run(run_id).info.artifact_uri
        folder = store.local_folder(uri, self.project.root)
        if folder is not None:
            return folder / name if (folder / name).is_file() else None
        parent = name.rpartition("/")[0]
        if name not in {item.path for item in self.client.list_artifacts(run_id, parent or None)}:
            return None
        return Path(self.client.download_artifacts(run_id, name))

    def _runs(self, query: str) -> list[Run]:
        experiments = self._experiments
        page, found = None, []
        while experiments and (page is None or page.token):
            page = self.client.search_runs(experiments, query, page_token=page.token if page is not None else None)
            found += page
        return found


def _iteration(run: Run) -> Iteration:
    tags = run.data.tags
    return Iteration(
        number=int(tags[NUMBER_TAG]),
        run_id=run.info.run_id,
        trigger=Trigger(tags[TRIGGER_TAG]),
        parent=int(tags[PARENT_TAG]) if PARENT_TAG in tags else None,
        reason=tags.get(REASON_TAG, ""),
        status=_STATUS[run.info.status],
        started_at=datetime.fromtimestamp(run.info.start_time / 1000, UTC).replace(tzinfo=None),
        is_automatic=FOLDER_TAG in tags,
        reused=tuple(json.loads(tags.get(REUSED_TAG, "[]"))),
        figures=dict(run.data.metrics),
    )


def _training(run: Run, versions: Mapping[str, int]) -> LoggedTraining:
    params = run.data.params
    held_out = ("validation_from", "test_from", "rows_validation", "rows_test")
    return LoggedTraining(
        run_id=run.info.run_id,
        version=versions.get(run.info.run_id),
        model=params.get("champion", "unknown"),
        metrics=dict(run.data.metrics),
        rows=tuple(params.get(name, "") for name in held_out),
    )
