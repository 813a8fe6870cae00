"""The registered model of a project: its versions, their aliases, and opening one of them: verified, then unpickled."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.model import store
from python_ml.model.card import ModelCard

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from mlflow import MlflowClient

    from python_ml.project import Project


MODEL_URI = "models:/"
NOTE_TAG = "mlflow.note.content"  # what MLflow shows as the description of a run or model


# What Unity Catalog answers where there is no such model or alias.
_MISSING = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND")


class ChampionError(UserError):
    """The registered champion cannot be used; a training makes another one."""


@dataclass(frozen=True)
class Champion:
    """A registered model, ready to score.

    Attributes
    ----------
    model : sklearn.ensemble.StackingClassifier
        Fitted and calibrated; see :mod:`python_ml.model.calibration`.
    card : ModelCard
    version : int
        Version in the registry.
    run_id : str
        MLflow run that made it.
    training_facts : str or None
        What the rows that it was fitted on showed, as JSON; see :class:`python_ml.quality.facts.Facts`. None for a
        model of a version that did not measure them.
    """

    model: Any
    card: ModelCard
    version: int
    run_id: str
    training_facts: str | None = None


@dataclass(frozen=True)
class ChampionFiles:
    """Where a version's files are, verified but not opened; attributes as of :class:`Champion`."""

    folder: Path
    digest: str
    version: int
    run_id: str

    @property
    def training_facts(self) -> str | None:
        """See :class:`Champion`."""
        path = self.folder / "extra_files" / store.QUALITY_FILE
        return path.read_text(encoding="utf-8") if path.is_file() else None

    @property
    def held_out(self) -> pd.DataFrame | None:
        """Scores of rows that the model was not fitted on; see :mod:`python_ml.model.held_out`. None where not kept."""
        import pandas as pd

        path = self.folder / "extra_files" / store.HELD_OUT_FILE
        return pd.read_parquet(path) if path.is_file() else None


@dataclass(frozen=True)
class Registration:
    """Where a model is: ``version`` in the registry and the ``run_id`` that made it."""

    version: int
    run_id: str


@dataclass(frozen=True)
class Version:
    """A version in the registry, as far as its tags tell.

    Attributes
    ----------
    number : int
    run_id : str
    registered_at : datetime
        Naive UTC.
    aliases : tuple of str
        ``champion`` and ``challenger``, where it carries them.
    tags : mapping of str to str
    """

    number: int
    run_id: str
    registered_at: datetime
    aliases: tuple[str, ...]
    tags: Mapping[str, str]

    @property
    def registration(self) -> Registration:
        """Where it is."""
        return Registration(self.number, self.run_id)

    @property
    def model(self) -> str:
        """Kind of model."""
        return self.tags.get("retention.model", "unknown")

    @property
    def dataset_sha256(self) -> str | None:
        """SHA-256 of the rows that it was trained on, where it is defined."""
        value = self.tags.get("retention.dataset_sha256")
        return None if value == "not defined" else value

    @property
    def definitions(self) -> dict[str, Any] | None:
        """What churn meant when it was trained; None for a version that did not say."""
        text = self.tags.get(store.DEFINITION_TAG)
        return None if text is None else json.loads(text)

    @property
    def previous(self) -> int | None:
        """The champion whose place it took, where it took one."""
        text = self.tags.get(store.PREVIOUS_TAG, "")
        return int(text) if text.isdigit() else None

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        auc = self.tags.get("retention.test_roc_auc", "")
        return {
            "version": self.number,
            "aliases": list(self.aliases),
            "model": self.model,
            "registered_at": self.registered_at.isoformat(timespec="seconds"),
            "test_roc_auc": float(auc) if auc.replace(".", "", 1).isdigit() else None,
            "dataset_sha256": self.dataset_sha256,
            "snapshot": self.tags.get("retention.snapshot"),
            "decision": self.tags.get(store.DECISION_TAG),
            "reason": self.tags.get(store.REASON_TAG),
            "run_id": self.run_id,
        }


class ModelRegistry:
    """The versions of a project's registered model.

    Parameters
    ----------
    client : mlflow.MlflowClient
    name : str
        Of the registered model.
    root : Path
        The project's folder.
    in_unity_catalog : bool
        Whether the registry is that of Unity Catalog, which has no search by name or alias, and whose search for
        versions leaves tags out.
    """

    def __init__(self, client: MlflowClient, name: str, root: Path, *, in_unity_catalog: bool = False) -> None:
        self.client, self.name, self.root = client, name, root
        self._in_unity_catalog = in_unity_catalog

    @classmethod
    def of(cls, project: Project) -> ModelRegistry | None:
        """The registry of a project; None where nothing has been written yet.

        Raises
        ------
        UserError
            When the store does not answer.
        """
        uri = store.absolute_uri(project.tracking_uri, project.root)
        if not store.store_exists(uri):
            return None
        return cls.in_store(project, uri)

    @classmethod
    def in_store(cls, project: Project, uri: str) -> ModelRegistry:
        """The registry of a project in the store at an address, which may be new.

        Raises
        ------
        UserError
            When the store does not answer, or cannot register a model of the project's name.
        """
        name, in_unity_catalog = project.registered_model, store.is_unity_catalog(uri)
        store.require_full_name(name, uri)
        return cls(store.open_store(uri), name, project.root, in_unity_catalog=in_unity_catalog)

    def aliases(self) -> dict[str, int]:
        """Version by alias; empty where there is no such model."""
        if self._in_unity_catalog:
            carried = {alias: self._carrier(alias) for alias in (store.ALIAS, store.CHALLENGER)}
            return {alias: number for alias, number in carried.items() if number is not None}
        models = self.client.search_registered_models(filter_string=f"name = '{self.name}'")
        named = [model for model in models if model.name == self.name]
        return {alias: int(number) for alias, number in named[0].aliases.items()} if named else {}

    def _carrier(self, alias: str) -> int | None:
        """The version that carries an alias in Unity Catalog."""
        from mlflow.exceptions import MlflowException

        try:
            return int(self.client.get_model_version_by_alias(self.name, alias).version)
        except MlflowException as error:
            if error.error_code in _MISSING:
                return None
            raise

    def versions(self) -> list[Version]:
        """All versions, oldest first."""
        carried: dict[int, list[str]] = {}
        for alias, number in self.aliases().items():
            carried.setdefault(number, []).append(alias)
        page, found = None, []
        while page is None or page.token:
            page = self.client.search_model_versions(
                f"name = '{self.name}'", page_token=page.token if page is not None else None
            )
            found += page
        if self._in_unity_catalog:
            found = [self.client.get_model_version(self.name, version.version) for version in found]
        return sorted(
            (
                Version(
                    number=int(version.version),
                    run_id=version.run_id or "",
                    registered_at=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).replace(tzinfo=None),
                    aliases=tuple(sorted(carried.get(int(version.version), []))),
                    tags=dict(version.tags),
                )
                for version in found
            ),
            key=lambda version: version.number,
        )

    def find(self, number: int) -> Version:
        """One version.

        Raises
        ------
        UserError
            When there is none of that number.
        """
        known = self.versions()
        found = next((version for version in known if version.number == number), None)
        if found is None:
            raise UserError(
                f"There is no version {number}.",
                where=f"{self.name} (there: {', '.join(str(v.number) for v in known) or 'none'})",
                hint="`retention models list` shows the versions",
            )
        return found

    def champion_files(self) -> ChampionFiles | None:
        """Files of the version that carries the alias ``champion``; as :func:`champion_files`."""
        number = self.aliases().get(store.ALIAS)
        if number is None:
            return None
        known = self.versions()
        registered = next((version for version in known if version.number == number), None)
        if registered is None:
            raise ChampionError(
                "The alias `champion` points at a version that is not in the registry.",
                where=f"{self.name} version {number} (there: {', '.join(str(v.number) for v in known) or 'none'})",
                hint="run `retention train`, or move the alias `champion` to a version that it registered",
            )
        return self.files(registered, "champion")

    def files(self, version: Version, called: str = "model") -> ChampionFiles:
        """Bring and verify the files of a version; ``called`` is what messages call it.

        Raises
        ------
        ChampionError
            When the files are gone or differ from what was registered.
        """
        where = f"{self.name} version {version.number}"
        digest = version.tags.get(store.DIGEST_TAG)
        if not digest:
            raise ChampionError(
                f"The {called} was not registered by this project: it carries no checksum.",
                where=where,
                hint="run `retention train`, or move the alias `champion` back to a version that it registered",
            )
        try:
            folder = store.model_folder(self.client, self.name, str(version.number), self.root)
        except FileNotFoundError as error:
            raise ChampionError(
                f"The {called}'s files are gone.", where=f"{where}: {error}", hint="run `retention train` again"
            ) from error
        if store.files_digest(folder) != digest:
            raise ChampionError(
                f"The {called}'s files differ from those that were registered, so they are not opened.",
                where=f"{where}: {folder}",
                hint="find out who changed them; `retention train` makes a new champion",
            )
        return ChampionFiles(folder, digest, version.number, version.run_id)

    def is_served(self) -> bool:
        """Whether there is a champion that can be opened."""
        try:
            return self.champion_files() is not None
        except ChampionError:
            return False

    def tag(self, number: int, tags: Mapping[str, str]) -> None:
        """Set tags of a version; MLflow keeps up to 5,000 characters of each."""
        for name, value in tags.items():
            self.client.set_model_version_tag(self.name, str(number), name, value[: store.TAG_LENGTH])

    def describe(self, version: Version, about: str, text: str, files: Mapping[str, str]) -> None:
        """Describe a version, its model and its run, and keep files with the run.

        Parameters
        ----------
        version : Version
        about : str
            Of the registered model: what all versions do.
        text : str
            Of the version: markdown of at most 5,000 characters.
        files : mapping of str to str
            Names and contents.
        """
        number = str(version.number)
        self.client.update_registered_model(self.name, description=about)
        self.client.update_model_version(self.name, number, description=text)
        self.client.set_tag(version.run_id, NOTE_TAG, text)
        source = self.client.get_model_version(self.name, number).source
        if source.startswith(MODEL_URI):
            self.client.set_logged_model_tags(source.removeprefix(MODEL_URI), {NOTE_TAG: text})
        for name, content in files.items():
            self.client.log_text(version.run_id, content, name)

    def give(self, alias: str, number: int) -> None:
        """Move an alias to a version."""
        self.client.set_registered_model_alias(self.name, alias, str(number))

    def take(self, alias: str) -> None:
        """Remove an alias, where there is one."""
        if alias in self.aliases():
            self.client.delete_registered_model_alias(self.name, alias)


def load_champion(project: Project) -> Champion | None:
    """Open the model that carries the alias ``champion`` in the project's registry.

    Returns
    -------
    Champion or None
        None when no champion has been registered yet; every other failure is raised.

    Raises
    ------
    ChampionError
        As :func:`champion_files`.
    """
    files = champion_files(project)
    return None if files is None else open_files(files)


def require_champion(project: Project) -> Champion:
    """Open the champion, as :func:`load_champion`.

    Raises
    ------
    UserError
        When no champion has been registered yet.
    ChampionError
        As :func:`champion_files`.
    """
    champion = load_champion(project)
    if champion is None:
        raise UserError("There is no champion yet.", where=project.name, hint="run `retention train`")
    return champion


def champion_files(project: Project) -> ChampionFiles | None:
    """Find the files of the model that carries the alias ``champion`` in the project's registry.

    The SHA-256 over them must equal the one recorded at training, since opening a pickle runs whatever is in it.

    Returns
    -------
    ChampionFiles or None
        None when no champion has been registered yet; every other failure is raised.

    Raises
    ------
    ChampionError
        When the alias points nowhere, or the files are gone or differ from what was registered.
    """
    registry = ModelRegistry.of(project)
    return None if registry is None else registry.champion_files()


@lru_cache(maxsize=2)
def open_files(files: ChampionFiles) -> Champion:
    """Unpickle verified files; two models are kept: scores and reasons ask for the same, comparisons for a pair.

    Raises
    ------
    ChampionError
        When the libraries that are installed cannot open them.
    """
    try:
        card = ModelCard.from_json((files.folder / "extra_files" / store.CARD_FILE).read_text(encoding="utf-8"))
        # Safe as far as the registry is: the bytes are those whose checksum training recorded.
        model = pickle.loads((files.folder / "model.pkl").read_bytes())  # noqa: S301
    except Exception as error:  # the bytes are intact, so it is the libraries that changed, in whatever way they say it
        raise ChampionError(
            f"Version {files.version} cannot be opened with the libraries that are installed here: {error}.",
            where=str(files.folder),
            hint="install those of its requirements.txt, or run `retention train`",
        ) from error
    return Champion(model, card, files.version, files.run_id, files.training_facts)
