"""Principal components of embeddings, fitted once on texts that were known before training ended.

Pearson, K. (1901), "On lines and planes of closest fit to systems of points in space", Philosophical Magazine 2 (11).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

DECIMALS = 6  # of a component
LEAST_TEXTS = 20  # fewer distinct texts say nothing about directions
LEAST_COMPONENTS = 2


@dataclass(frozen=True)
class Reduction:
    """Directions on which embeddings are projected.

    Attributes
    ----------
    mean : ndarray of float, shape (n_dimensions,)
    axes : ndarray of float, shape (n_components, n_dimensions)
        Unit vectors, the one with the largest variance first.
    shares : ndarray of float, shape (n_components,)
        Share of the variance of each.
    texts : int
        Distinct texts that it was fitted on.
    """

    mean: np.ndarray
    axes: np.ndarray
    shares: np.ndarray
    texts: int

    @property
    def digest(self) -> str:
        """Names the reduction: equal digests give equal components."""
        content = hashlib.sha256()
        for part in (self.mean, self.axes):
            content.update(np.ascontiguousarray(part, dtype="<f8").tobytes())
        return content.hexdigest()[:16]

    def transform(self, embeddings: np.ndarray, components: int) -> np.ndarray:
        """Project embeddings.

        Parameters
        ----------
        embeddings : ndarray, shape (n_texts, n_dimensions)
        components : int
            Columns that are wanted.

        Returns
        -------
        ndarray of float, shape (n_texts, components)
            Rounded to six decimals; NaN in columns beyond those that were fitted.
        """
        kept = min(components, len(self.axes))
        projected = np.full((len(embeddings), components), np.nan)
        centred = np.asarray(embeddings, dtype=np.float64) - self.mean
        # Not by BLAS, whose last bits depend on how many rows it is given.
        projected[:, :kept] = np.einsum("ij,kj->ik", centred, self.axes[:kept], optimize=False)
        return projected.round(DECIMALS) + 0.0  # there are two zeros


def fit_reduction(
    batches: Iterable[np.ndarray], variance: float = 0.95, components: int | None = None
) -> Reduction | None:
    """Fit principal components, reading the embeddings once and in batches.

    Parameters
    ----------
    batches : iterable of ndarray, shape (any, n_dimensions)
        Embeddings of distinct texts.
    variance : float, default 0.95
        Share of the variance to keep.
    components : int, optional
        Largest number of components; at least two are kept wherever there are as many dimensions.

    Returns
    -------
    Reduction or None
        None where there are fewer than 20 texts, or all are the same.
    """
    count, origin, total, products = 0, None, 0.0, 0.0
    for batch in batches:
        batch = np.asarray(batch, dtype=np.float64)
        if not len(batch):
            continue
        # About the first batch's mean: a sum of squares about 0 would lose digits.
        origin = batch.mean(axis=0) if origin is None else origin
        shifted = batch - origin
        count += len(batch)
        total = total + shifted.sum(axis=0)
        products = products + shifted.T @ shifted
    if count < LEAST_TEXTS:
        return None
    offset = total / count
    values, vectors = np.linalg.eigh((products - count * np.outer(offset, offset)) / (count - 1))
    values, axes = np.clip(values[::-1], 0, None), vectors.T[::-1]
    if values[0] <= 1e-12:
        return None
    shares = values / values.sum()
    enough = int(np.searchsorted(shares.cumsum(), variance - 1e-12)) + 1
    real = int((values > 1e-12).sum())
    kept = min(max(enough, LEAST_COMPONENTS), components or len(shares), max(real, 1))
    axes = axes[:kept]
    # An axis has no sign of its own: its largest coordinate is positive.
    strongest = np.abs(axes.round(9)).argmax(axis=1)
    axes = axes * np.sign(axes[np.arange(kept), strongest])[:, None]
    return Reduction(origin + offset, axes, shares[:kept], count)
