"""Opening the champion: looked up by its alias, verified, and only then unpickled."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.model import store
from python_ml.model.card import ModelCard

if TYPE_CHECKING:
    from pathlib import Path

    from python_ml.project import Project


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
    """Where the champion's files are, verified but not opened; attributes as of :class:`Champion`."""

    folder: Path
    digest: str
    version: int
    run_id: str

    @property
    def training_facts(self) -> str | None:
        """See :class:`Champion`."""
        path = self.folder / "extra_files" / store.QUALITY_FILE
        return path.read_text(encoding="utf-8") if path.is_file() else None


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
    return None if files is None else _open(files)


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
    uri = store.absolute_uri(project.tracking_uri, project.root)
    if not store.store_exists(uri):
        return None
    client = store.open_store(uri)
    name = store.registered_name(project.name)
    models = [m for m in client.search_registered_models(filter_string=f"name = '{name}'") if m.name == name]
    version = models[0].aliases.get(store.ALIAS) if models else None
    if version is None:
        return None
    where = f"{name} version {version}"
    known = client.search_model_versions(f"name = '{name}'")
    registered = next((v for v in known if str(v.version) == str(version)), None)
    if registered is None:
        raise ChampionError(
            "The alias `champion` points at a version that is not in the registry.",
            where=f"{where} (there: {', '.join(sorted(str(v.version) for v in known)) or 'none'})",
            hint="run `retention train`, or move the alias `champion` to a version that it registered",
        )
    digest = registered.tags.get(store.DIGEST_TAG)
    if not digest:
        raise ChampionError(
            "The champion was not registered by this project: it carries no checksum.",
            where=where,
            hint="run `retention train`, or move the alias `champion` back to a version that it registered",
        )
    try:
        folder = store.model_folder(client, name, str(version), project.root)
    except FileNotFoundError as error:
        raise ChampionError(
            "The champion's files are gone.", where=f"{where}: {error}", hint="run `retention train` again"
        ) from error
    if store.files_digest(folder) != digest:
        raise ChampionError(
            "The champion's files differ from those that were registered, so they are not opened.",
            where=f"{where}: {folder}",
            hint="find out who changed them; `retention train` makes a new champion",
        )
    return ChampionFiles(folder, digest, int(version), registered.run_id or "")


@lru_cache(maxsize=1)
def _open(files: ChampionFiles) -> Champion:
    """Unpickle verified files; one champion is kept, since scores and reasons ask for the same."""
    card = ModelCard.from_json((files.folder / "extra_files" / store.CARD_FILE).read_text(encoding="utf-8"))
    # Safe as far as the registry is: the bytes are those whose checksum training recorded.
    model = pickle.loads((files.folder / "model.pkl").read_bytes())  # noqa: S301
    return Champion(model, card, files.version, files.run_id, files.training_facts)
