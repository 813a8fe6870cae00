"""Which texts are worth a label: diverse ones, found by clustering."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from python_ml.stats import some_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_CLUSTERED = 20_000  # texts; more would not change what a few hundred centres are


def diverse(embeddings: NDArray, size: int, seed: int = 0) -> NDArray[np.int64]:
    """The text nearest to the centre of each of ``size`` clusters.

    Parameters
    ----------
    embeddings : numpy.ndarray, shape (n_texts, n_dimensions)
        Of distinct texts, in an order that does not change from run to run, such as that of their hashes.
    size : int
    seed : int

    Returns
    -------
    numpy.ndarray of int, shape (min(size, n_texts),)
        Positions, ascending; the same for the same input.

    Notes
    -----
    Clusters of unit vectors, so that distance is one of direction: Hornik, K. et al. (2012), "Spherical k-means
    clustering", Journal of Statistical Software 50; by Sculley, D. (2010), "Web-scale k-means clustering".
    """
    count = len(embeddings)
    if size >= count:
        return np.arange(count)
    from sklearn.cluster import MiniBatchKMeans

    rows = some_rows(np.arange(count), max(MOST_CLUSTERED, size), seed)
    vectors = unit(embeddings[rows])
    # Rare kinds of texts have a centre from the start (k-means++ sees all texts), and keep it.
    clusters = MiniBatchKMeans(
        size,
        random_state=seed,
        n_init=1,
        init_size=len(rows),
        batch_size=max(1024, 2 * size),
        reassignment_ratio=0.0,
    ).fit(vectors)
    # Of the texts of a cluster the nearest one; a cluster without texts has none.
    labels = clusters.labels_
    distance = ((vectors - clusters.cluster_centers_[labels]) ** 2).sum(axis=1)
    order = np.lexsort((distance, labels))
    first = np.unique(labels[order], return_index=True)[1]
    chosen = rows[order[first]]
    rest = np.setdiff1d(rows, chosen)
    return np.sort(np.concatenate([chosen, some_rows(rest, size - len(chosen), seed)]))


def unit(vectors: NDArray) -> NDArray[np.float64]:
    """Rows of length one; a row of zeros stays as it is."""
    vectors = np.asarray(vectors, dtype=float)
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.where(length > 0, length, 1.0)
