"""Keeping the survival model: a file of the champion's own version, under its checksum."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

from python_ml.decisions.survival.hazard import HazardModel
from python_ml.model.registry import champion_files

if TYPE_CHECKING:
    from python_ml.project import Project

SURVIVAL_FILE = "survival_model.pkl"


def to_bytes(model: HazardModel) -> bytes:
    """The model as the content of :data:`SURVIVAL_FILE`."""
    return pickle.dumps(model, protocol=5)


def load_survival_model(project: Project) -> HazardModel | None:
    """Open the survival model of the champion's version.

    It lies among the champion's files, so that only a file is opened whose SHA-256 training recorded.

    Returns
    -------
    HazardModel or None
        None when there is no champion, or it was trained without a survival model.

    Raises
    ------
    ChampionError
        When the champion's files are gone, or differ from what was registered.
    """
    files = champion_files(project)
    path = None if files is None else files.folder / "extra_files" / SURVIVAL_FILE
    if path is None or not path.is_file():
        return None
    # Safe as far as the registry is: the bytes are those whose checksum training recorded.
    model = pickle.loads(path.read_bytes())  # noqa: S301
    if not isinstance(model, HazardModel):
        raise TypeError(f"{path} holds no survival model")
    return model
