"""What a component means: the texts nearest to its ends, and the words that set the ends apart.

Words are ranked by the z-score of their log-odds ratio with an informative prior: Monroe, B. L., Colaresi, M. P. and
Quinn, K. M. (2008), "Fightin' words: lexical feature selection and evaluation for identifying the content of political
conflict", Political Analysis 16 (4).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from python_ml.text.cleaning import readable

TEXTS, WORDS = 3, 6  # shown at each end
GROUP = 200  # texts at an end whose words are counted, at most
LEAST_Z = 1.96

MEANING_SCHEMA = pa.schema(
    [
        ("text", pa.string()), ("component", pa.int32()), ("end", pa.string()), ("kind", pa.string()),
        ("rank", pa.int32()), ("value", pa.string()), ("score", pa.float64()),
    ]
)  # fmt: skip

_WORD = re.compile(r"[^\W\d_]{3,}")


def described_components(name: str, texts: Sequence[str], projected: np.ndarray) -> pa.Table:
    """Describe the ends of each component.

    Parameters
    ----------
    name : str
        The text column, such as ``tickets.body``.
    texts : sequence of str, length n_texts
        Texts that the reduction was fitted on, masked.
    projected : ndarray, shape (n_texts, n_components)

    Returns
    -------
    pyarrow.Table
        text, component (from 1), end (``high`` or ``low``), kind (``text`` or ``word``), rank (from 1), value, score
        (the projection of a text; the z-score of a word).
    """
    shown = [readable(text) or "" for text in texts]
    counts = [Counter(set(_WORD.findall(text.lower()))) for text in shown]
    prior = sum(counts, Counter())
    size = max(1, min(GROUP, len(shown) // 5))
    rows = []
    for number in range(projected.shape[1]):
        values = projected[:, number]
        order = np.argsort(values, kind="stable")
        ends = {"low": order[:size], "high": order[::-1][:size]}
        words = {end: sum((counts[i] for i in members), Counter()) for end, members in ends.items()}
        for end, other in (("high", "low"), ("low", "high")):
            nearest = _distinct(shown, ends[end])
            rows += [(name, number + 1, end, "text", r, shown[i], float(values[i])) for r, i in enumerate(nearest, 1)]
            apart = _words_apart(words[end], words[other], prior)
            rows += [(name, number + 1, end, "word", r, word, score) for r, (word, score) in enumerate(apart, 1)]
    return pa.Table.from_pylist([dict(zip(MEANING_SCHEMA.names, row, strict=True)) for row in rows], MEANING_SCHEMA)


def _distinct(texts: list[str], order: np.ndarray) -> list[int]:
    """The first texts that differ in more than their digits."""
    chosen: dict[str, int] = {}
    for i in order:
        chosen.setdefault(re.sub(r"\d+", "0", texts[i].lower()), int(i))
        if len(chosen) == TEXTS:
            break
    return list(chosen.values())


def _words_apart(here: Counter, there: Counter, prior: Counter) -> list[tuple[str, float]]:
    n_here, n_there, n_prior = here.total(), there.total(), prior.total()
    scored = []
    for word, count in here.items():
        a = prior[word]
        first, second = count + a, there[word] + a
        difference = np.log(first / (n_here + n_prior - first)) - np.log(second / (n_there + n_prior - second))
        z = difference / np.sqrt(1 / first + 1 / second)
        if z >= LEAST_Z:
            scored.append((word, float(z)))
    return sorted(scored, key=lambda one: (-one[1], one[0]))[:WORDS]
