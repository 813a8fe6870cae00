"""What a labeller is: anything that gives texts the values of a scheme, and how its answers are checked."""

from __future__ import annotations

import hashlib
import importlib
import json
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from python_ml.errors import RetentionError, UserError

if TYPE_CHECKING:
    from python_ml.settings import TextLabel

Scheme = Mapping[str, "TextLabel"]
NO_ANSWER = "no answer"


class Labeller(Protocol):
    """Gives labels to texts.

    Attributes
    ----------
    name : str
        Labels of one name are taken to come from one hand, and are asked for once.
    """

    name: str

    def label(self, texts: Sequence[str], scheme: Scheme) -> Sequence[Mapping[str, Any]]:
        """Label some texts.

        Parameters
        ----------
        texts : sequence of str
        scheme : mapping of str to TextLabel
            The labels that are asked for.

        Returns
        -------
        sequence of mapping
            For each text, in order, the value of each label. A label that is missing or None counts as not given.

        Raises
        ------
        AnswerError
            When there is no telling which text got which label.
        """
        ...


class AnswerError(Exception):
    """An answer that cannot be read; it is asked for once more."""


class Given(NamedTuple):
    """What a labeller gave a text: one of the values, or the reason why there is none."""

    value: str | None
    reason: str | None = None


@dataclass(frozen=True)
class FunctionLabeller:
    """A function as a labeller; see :class:`Labeller` for what it takes and returns."""

    name: str
    function: Callable[[Sequence[str], Scheme], Sequence[Mapping[str, Any]]]

    @classmethod
    def named(cls, path: str) -> FunctionLabeller:
        """The function behind ``package.module:function``.

        Raises
        ------
        UserError
            When it cannot be imported.
        """
        module, _, attribute = path.partition(":")
        try:
            function = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError, ValueError) as error:
            raise UserError(
                f"There is no function {path}: {error}.",
                where="--labeller",
                hint="name one that Python can import, as package.module:function; PYTHONPATH says where to look",
            ) from error
        if not callable(function):
            raise UserError(f"{path} is not a function.", where="--labeller", hint="name a function")
        return cls(path, function)

    def label(self, texts: Sequence[str], scheme: Scheme) -> Sequence[Mapping[str, Any]]:
        try:
            return self.function(texts, scheme)
        except (AnswerError, RetentionError):
            raise
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            raise UserError(
                f"The labeller {self.name} failed: {type(error).__name__}: {error}",
                where=f"{last.filename}, line {last.lineno}",
                hint="correct the function; labels of earlier batches are kept",
            ) from error


def digest(name: str, label: TextLabel) -> str:
    """What a label asks, in 16 hexadecimal digits; the order of the values and their scores do not matter."""
    return hashlib.sha256(json.dumps([name, sorted(label.values)]).encode()).hexdigest()[:16]


def ask(labeller: Labeller, texts: Sequence[str], scheme: Scheme) -> list[dict[str, Given]]:
    """Ask for labels; texts whose labels are missing or unknown are asked for once more.

    Returns
    -------
    list of dict
        For each text, in order, what was given for each label of the scheme.
    """
    answers = _asked(labeller, texts, scheme)
    again = [i for i, answer in enumerate(answers) if any(given.value is None for given in answer.values())]
    if again:
        second = _asked(labeller, [texts[i] for i in again], scheme)
        for i, answer in zip(again, second, strict=True):
            answers[i] = {name: given if given.value else answer[name] for name, given in answers[i].items()}
    return answers


def _asked(labeller: Labeller, texts: Sequence[str], scheme: Scheme) -> list[dict[str, Given]]:
    try:
        answers = labeller.label(texts, scheme)
        if not isinstance(answers, Sequence) or len(answers) != len(texts):
            raise AnswerError("not one answer for each text")
    except AnswerError as error:
        return [dict.fromkeys(scheme, Given(None, str(error))) for _ in texts]
    return [{name: _checked(answer, name, label) for name, label in scheme.items()} for answer in answers]


def _checked(answer: Any, name: str, label: TextLabel) -> Given:
    value = answer.get(name) if isinstance(answer, Mapping) else None
    if value is None:
        return Given(None, NO_ANSWER)
    known = known_value(value, label)
    return Given(known) if known else Given(None, f"unknown value {str(value)[:50]!r}")


def known_value(value: Any, label: TextLabel) -> str | None:
    """The value of the scheme that is meant, upper and lower case aside; None where there is none."""
    wanted = value.strip().casefold() if isinstance(value, str) else None
    return next((known for known in label.values if known.casefold() == wanted), None)
