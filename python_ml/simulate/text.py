"""Texts of support tickets: phrases combined by topic, tone and language, with typing errors.

The tone moves the hazard of churn; the satisfaction score only hints at it and is often missing. So the text holds
signal that no number in the data holds. The phrases are in ``phrases.yaml``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml

from python_ml.simulate.world import COUNTRIES, TONES, TOPICS

LANGUAGES = ("en", "de", "fr", "es")
NATIVE = {"DE": "de", "FR": "fr", "ES": "es"}
WRITES_NATIVE, GREETS_NATIVE = 0.45, 0.65
TYPO_SHARE, LOWER_CASE_SHARE, SHOUTING_SHARE = 0.15, 0.12, 0.06

PHRASES = yaml.safe_load(Path(__file__).with_name("phrases.yaml").read_text(encoding="utf-8"))


class Phrases:
    """Lists of phrases in groups, each phrase with at most one slot, drawn for many rows at once."""

    def __init__(self, groups: list[list[str]]) -> None:
        phrases = [phrase for group in groups for phrase in group]
        parts = [re.split(r"\{(\w+)\}", phrase) for phrase in phrases]
        assert all(len(part) in (1, 3) for part in parts), "a phrase has at most one slot"
        self._counts = np.array([len(group) for group in groups])
        self._firsts = np.cumsum(self._counts) - self._counts
        self._heads = pa.array([part[0] for part in parts])
        self._tails = pa.array([part[2] if len(part) > 1 else "" for part in parts])
        fillings = {"": [""], **PHRASES["slots"]}
        sizes = {slot: len(values) for slot, values in fillings.items()}
        firsts = dict(zip(sizes, np.cumsum(list(sizes.values())) - list(sizes.values()), strict=True))
        slots = [part[1] if len(part) > 1 else "" for part in parts]
        self._fillings = pa.array([value for values in fillings.values() for value in values])
        self._filling_firsts = np.array([firsts[slot] for slot in slots])
        self._filling_counts = np.array([sizes[slot] for slot in slots])

    def draw(self, group: np.ndarray, chance: np.ndarray) -> pa.Array:
        """One phrase per row.

        Parameters
        ----------
        group : ndarray of shape (n,)
            Number of the group to draw from.
        chance : ndarray of shape (2, n)
            Uniform numbers: which phrase, which filling of its slot.
        """
        phrase = self._firsts[group] + np.floor(chance[0] * self._counts[group]).astype(np.int64)
        filling = np.floor(chance[1] * self._filling_counts[phrase]).astype(np.int64)
        filling += self._filling_firsts[phrase]
        taken = pa.array(phrase)
        return pc.binary_join_element_wise(
            self._heads.take(taken), self._fillings.take(pa.array(filling)), self._tails.take(taken), ""
        )


def _bodies(language: str, topic: str, tone: str) -> list[str]:
    """The phrases of a group; those missing in a language are English, those missing in a tone have another tone."""
    bodies = PHRASES["bodies"]
    english = bodies["en"][topic]
    candidates = (bodies[language].get(topic, {}).get(tone), *map(english.get, (tone, "neutral", "good")))
    return next(group for group in candidates if group)


_OPENINGS, _CLOSINGS = (
    Phrases([PHRASES[part][language][tone] for language in LANGUAGES for tone in TONES])
    for part in ("openings", "closings")
)
_BODIES = Phrases([_bodies(language, topic, tone) for language in LANGUAGES for topic in TOPICS for tone in TONES])
_LANGUAGE_OF_COUNTRY = np.array([LANGUAGES.index(NATIVE.get(country, "en")) for country in COUNTRIES])


def compose(rng: np.random.Generator, topic: np.ndarray, tone: np.ndarray, country: np.ndarray) -> pa.Array:
    """Write the bodies of tickets.

    Parameters
    ----------
    rng : numpy.random.Generator
    topic, tone, country : ndarray of shape (n,)
        Codes into ``TOPICS``, ``TONES`` and ``COUNTRIES``.

    Returns
    -------
    pyarrow.StringArray of length n
        One line each, without line breaks.
    """
    n = topic.size
    chance = rng.random((9, n))
    native = _LANGUAGE_OF_COUNTRY[country]
    writes = np.where(chance[0] < WRITES_NATIVE, native, 0)
    greets = np.where(chance[0] < GREETS_NATIVE, native, 0)  # who writes in a language also greets in it
    sentence = _BODIES.draw((writes * len(TOPICS) + topic) * len(TONES) + tone, chance[1:3])
    opening = _OPENINGS.draw(greets * len(TONES) + tone, chance[3:5])
    # Without a greeting, or after a full stop, a sentence begins with a capital.
    bare = pc.invert(pc.ends_with(opening, ","))
    sentence = pc.if_else(bare, _capital(sentence), sentence)
    closing = _CLOSINGS.draw(writes * len(TONES) + tone, chance[5:7])
    body = pc.utf8_trim(pc.binary_join_element_wise(opening, sentence, closing, " "), " ")

    typos = PHRASES["typing_errors"]
    typo = np.where(chance[7] < TYPO_SHARE, np.floor(chance[7] / TYPO_SHARE * len(typos)), -1)
    for index, (right, wrong) in enumerate(typos.items()):
        body = _where(typo == index, body, lambda text, a=right, b=wrong: pc.replace_substring(text, a, b))
    shouting = (chance[8] > 1 - SHOUTING_SHARE) & (tone == TONES.index("bad"))
    body = _where(chance[8] < LOWER_CASE_SHARE, body, pc.utf8_lower)
    return _where(shouting, body, pc.utf8_upper)


def _capital(text: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(
        pc.utf8_upper(pc.utf8_slice_codeunits(text, 0, 1)), pc.utf8_slice_codeunits(text, 1), ""
    )


def _where(mask: np.ndarray, text: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Apply ``change`` to the rows of the mask."""
    if not mask.any():
        return text
    where = pa.array(mask)
    return pc.replace_with_mask(text, where, change(text.filter(where)))
