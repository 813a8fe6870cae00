"""The champion of the day and its features: scores for customers, without HTTP."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from python_ml.durations import fixed_hours
from python_ml.errors import RetentionError, UserError, explained
from python_ml.input_columns import CATEGORY, FLAG, typed_cells
from python_ml.model import store
from python_ml.model.fitted_features import require_same_components
from python_ml.model.registry import ChampionError, ModelRegistry, open_files, require_champion
from python_ml.project import is_dateless, sqlite_path
from python_ml.quality.suites import step_of
from python_ml.serving.features import FeaturesUnavailableError, Key
from python_ml.serving.refusals import RefusalError
from python_ml.serving.scorer import Scorer

if TYPE_CHECKING:
    from python_ml.model.registry import Champion
    from python_ml.project import Project
    from python_ml.serving.features import FeatureSource
    from python_ml.serving.metrics import ServerMetrics

    OpenSource = Callable[[Project, Champion], FeatureSource]

LOG = logging.getLogger("python_ml.serving")
LONGEST_KEY = 256
_INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class _Generation:
    """A champion with the source of its features: they change together."""

    scorer: Scorer
    source: FeatureSource


@dataclass(frozen=True)
class Status:
    """Whether scores can be served, and what stands in the way.

    Attributes
    ----------
    ready : bool
    newest, observation_end : datetime or None
        Of the features; naive UTC.
    problems : tuple of str
        Those of the champion leave an earlier one in place, and the server ready.
    """

    ready: bool
    newest: datetime | None
    observation_end: datetime | None
    problems: tuple[str, ...]


class Service:
    """Scores for customers, by a champion that is looked for again every few seconds.

    Parameters
    ----------
    project : Project
    open_source : callable
        Opens the features of a champion.
    metrics : ServerMetrics

    Raises
    ------
    UserError
        When there is no champion, or nobody to score.
    """

    def __init__(self, project: Project, open_source: OpenSource, metrics: ServerMetrics) -> None:
        self._project, self._open_source, self._metrics = project, open_source, metrics
        self._settings = project.settings.serve
        self._allowed = _allowed_age(project)
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self._champion_problem: str | None = None
        self._registry_seen = self._registry_signature()
        self._current = self._open(require_champion(project))
        if self._current.source.newest() is None:
            raise UserError(
                "There is nobody to score.",
                where="gold.gld_scoring_set",
                hint="check that customers are at risk at the newest feature time (churn definition, active_window)",
            )
        self._tell()

    @property
    def champion(self) -> Champion:
        """The champion that scores now."""
        return self._current.scorer.champion

    @property
    def integer_keys(self) -> bool:
        """Whether customers are known by whole numbers."""
        return self._current.source.integer_keys

    def start(self) -> None:
        """Begin to look for new champions and features."""
        self._watcher.start()

    def stop(self) -> None:
        """End it."""
        self._stop.set()
        if self._watcher.is_alive():
            self._watcher.join(timeout=self._settings.timeout_seconds)

    def score(self, ids: Sequence[Key]) -> tuple[list[dict[str, Any]], list[Key]]:
        """Score customers.

        Parameters
        ----------
        ids : sequence of int or str
            Of the kind of :attr:`integer_keys`; repetitions count once.

        Returns
        -------
        scores : list of dict
            In the order of ``ids``.
        unknown : list of int or str
            Customers without features, or with such that are too old.

        Raises
        ------
        RefusalError, FeaturesUnavailableError
            When features are too old, or cannot be read.
        """
        generation = self._current
        ids = list(dict.fromkeys(ids))
        columns = generation.source.rows(ids)
        found = list(columns[self._project.entity])
        times = [_moment(value) for value in columns["feature_timestamp"]]
        oldest = self._oldest(generation.source)
        scored: dict[Key, dict[str, Any]] = {}
        if found:
            cells = _cells(columns, generation.scorer.champion)
            for key, time, score in zip(found, times, generation.scorer.scores(cells), strict=True):
                if oldest is None or time >= oldest:  # a store may keep rows of customers who are no longer at risk
                    scored[key] = {"id": key, "feature_timestamp": time.isoformat(), **score}
        self._metrics.scored([score["risk_band"] for score in scored.values()])
        return [scored[key] for key in ids if key in scored], [key for key in ids if key not in scored]

    def score_rows(self, rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Score features that are given.

        Parameters
        ----------
        rows : sequence of mapping
            At least one; every input of the champion, None where there is no value.

        Raises
        ------
        RefusalError
            When a row has unknown or missing features, or values of another type.
        """
        scorer = self._current.scorer
        kinds = {column.name: column.kind for column in scorer.champion.card.columns}
        details = [problem for place, row in enumerate(rows) for problem in _problems(place, row, kinds)]
        if details:
            raise RefusalError(
                422,
                "invalid_features",
                f"{len(details)} feature(s) are unknown, missing or of another type; `GET /v1/model` lists them.",
                details=details,
            )
        cells = {name: typed_cells([row[name] for row in rows], kind) for name, kind in kinds.items()}
        scores = scorer.scores(cells)
        self._metrics.scored([score["risk_band"] for score in scores])
        return scores

    def status(self) -> Status:
        """Whether customers can be scored now; asks the source, which may take time."""
        problems = [] if self._champion_problem is None else [self._champion_problem]
        source = self._current.source
        end, newest, ready = None, None, True
        try:
            newest, end = source.newest(), source.observation_end()
            self._oldest(source)
        except FeaturesUnavailableError as error:
            problems, ready = [*problems, error.what], False
        except RefusalError as error:
            problems, ready = [*problems, error.reason], False
        return Status(ready, newest, end, tuple(problems))

    def refresh(self) -> None:
        """Look for another champion and for new features once."""
        self._champion_problem = self._explained(self._refresh_champion)
        self._explained(self._current.source.refresh)
        self._tell()

    @property
    def retry_after(self) -> int:
        """Seconds until the server has looked for features again."""
        return max(1, ceil(self._settings.refresh_seconds))

    def _watch(self) -> None:
        while not self._stop.wait(self._settings.refresh_seconds):
            self.refresh()

    def _explained(self, work: Callable[[], None]) -> str | None:
        """What kept work from being done, also logged; a server outlives whatever one look at its sources meets."""
        try:
            work()
        except Exception as error:
            known = explained(error)
            # Messages of libraries can hold values of customers; kinds of errors do not.
            what = known.what if isinstance(known, RetentionError) else f"Unexpected {type(error).__name__}."
            LOG.warning("%s", what)
            return what
        return None

    def _refresh_champion(self) -> None:
        seen = self._registry_signature()
        if seen is not None and seen == self._registry_seen and self._champion_problem is None:
            return
        registry = ModelRegistry.of(self._project)
        number = None if registry is None else registry.aliases().get(store.ALIAS)
        if registry is None or number is None:
            raise ChampionError("The registry has no champion any more; the earlier one scores.")
        version = registry.find(number)
        if (version.number, version.run_id) != (self.champion.version, self.champion.run_id):
            self._current = self._open(open_files(registry.files(version, "champion")))
            LOG.info("version %s is the champion from now on", self.champion.version)
        self._registry_seen = seen

    def _registry_signature(self) -> object:
        """What changes when a local registry does; None for one that has to be asked."""
        path = sqlite_path(store.absolute_uri(self._project.tracking_uri, self._project.root))
        if path is None:
            return None
        files = [file for file in (path, path.with_name(path.name + "-wal")) if file.is_file()]
        return [(file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files]

    def _open(self, champion: Champion) -> _Generation:
        from python_ml.dbt import feature_registry
        from python_ml.project import Project

        if any(column.fitted for column in champion.card.columns):
            project = Project.open(self._project.root, target=self._project.target)  # the manifest of now
            require_same_components(champion.card, {feature.fit for feature in feature_registry(project)})
        scorer = Scorer(champion, self._project.settings.scoring.reasons)
        if scorer.model.uses_frames:
            LOG.warning("the preparation of version %s is not known here: it scores more slowly", champion.version)
        generation = _Generation(scorer, self._open_source(self._project, champion))
        self._metrics.champion(champion.card.model, champion.version)
        return generation

    def _tell(self) -> None:
        status = self.status()
        clock = status.observation_end or status.newest
        age = None if clock is None or status.newest is None else (clock - status.newest).total_seconds()
        self._metrics.refreshed(self._champion_problem is not None, status.ready, age)

    def _oldest(self, source: FeatureSource) -> datetime | None:
        """The earliest feature time that is recent enough, by the data's own clock: nothing here asks what time it is.

        Raises
        ------
        RefusalError
            When no features are.
        """
        newest = source.newest()
        if self._allowed is None or newest is None:
            return None
        oldest = (source.observation_end() or newest) - self._allowed
        if newest < oldest:
            raise RefusalError(
                503,
                "features_too_old",
                f"The newest features are of {newest.isoformat()}, more than {_days(self._allowed)} before the data "
                "ends.",
                retry_after=self.retry_after,
            )
        return oldest


def key_of(value: object, integer: bool) -> Key:
    """A customer's id as the features have it.

    Parameters
    ----------
    value : int or str
        As it was sent.
    integer : bool
        See :attr:`Service.integer_keys`.

    Raises
    ------
    RefusalError
        When it cannot be an id here.
    """
    if isinstance(value, str) and len(value) > LONGEST_KEY:
        raise RefusalError(422, "invalid_id", f"An id is longer than {LONGEST_KEY} characters.")
    if integer:
        text = str(value)
        digits = text.removeprefix("-")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 20 and int(text) in _INTEGERS):
            raise RefusalError(422, "invalid_id", "Ids are whole numbers of 64 bits here.")
        return int(text)
    if not isinstance(value, str) or not value:
        raise RefusalError(422, "invalid_id", "Ids are texts of at least one character here.")
    return value


def _problems(place: int, row: Mapping[str, Any], kinds: Mapping[str, str]) -> list[dict[str, Any]]:
    """What is wrong with the features of a row."""
    wrong = [(name, "unknown") for name in row if name not in kinds]
    for name, kind in kinds.items():
        if name not in row:
            wrong.append((name, "missing"))
        elif not _fits(row[name], kind):
            wrong.append((name, f"not a {kind}"))
    return [{"row": place, "feature": name[:LONGEST_KEY], "problem": problem} for name, problem in wrong]


def _fits(value: object, kind: str) -> bool:
    if value is None:
        return True
    if kind == CATEGORY:
        return isinstance(value, str)
    if kind == FLAG or isinstance(value, bool):
        return isinstance(value, bool) and kind == FLAG
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max


def _cells(columns: Mapping[str, Any], champion: Champion) -> dict[str, np.ndarray]:
    cells = {}
    for column in champion.card.columns:
        try:
            cells[column.name] = typed_cells(columns[column.name], column.kind)
        except (KeyError, ValueError, TypeError) as error:
            raise FeaturesUnavailableError(
                f"The feature {column.name} is missing from the store, or of another type."
            ) from error
    return cells


def _moment(value: Any) -> datetime:
    """A time as a naive one of Python."""
    return value if isinstance(value, datetime) else np.datetime64(value, "us").item()


def _allowed_age(project: Project) -> timedelta | None:
    """How old features may be; None where data has no dates, or no step between feature times."""
    if is_dateless(project.vars):
        return None
    if project.settings.serve.features_age is not None:
        return timedelta(hours=fixed_hours(project.settings.serve.features_age) or 0)
    step = step_of(project.vars.get("step"))
    return None if step is None else step * project.settings.quality.stale_steps


def _days(length: timedelta) -> str:
    return f"{length / timedelta(days=1):g} days"
