"""Features made of something that was fitted before any model: components of texts.

What was fitted has seen rows up to a time of its own, and other components are other features. So a model may use them
only from that time on, and only the ones that it was trained with.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.errors import UserError
from python_ml.text_fits import text_fits

if TYPE_CHECKING:
    from python_ml.dbt import Feature
    from python_ml.model.card import ModelCard


def fitted_after(features: Sequence[Feature], time: pd.Timestamp) -> list[Feature]:
    """Features whose components have seen texts that were first known at or after a time."""
    return [f for f in features if f.fitted_before is not None and pd.Timestamp(f.fitted_before) > time]


def refuse_fitted_after(features: Sequence[Feature], time: pd.Timestamp) -> None:
    """Refuse components that have seen what a model is to be measured on.

    Parameters
    ----------
    features : sequence of Feature
        Those that models may use.
    time : pandas.Timestamp
        Where the validation period begins, or the test period if there is no validation.

    Raises
    ------
    UserError
        Names the text columns.
    """
    late = fitted_after(features, time)
    if not late:
        return
    texts = sorted({str(feature.fitted) for feature in late})
    columns = " ".join(sorted({".".join(text.split(".")[:2]) for text in texts}))
    label = f", then `retention text label {columns}`" if any(map(_is_label, texts)) else ""
    raise UserError(
        f"The {_named(texts)} were fitted on texts known up to {late[0].fitted_before}, "
        f"but models are measured from {time:%Y-%m-%d %H:%M} on.",
        where="text.reductions",
        hint=f"run `retention text refit {columns}`{label}; where that changes nothing, set text.fitted_before in "
        "retention.yml to an earlier date first",
    )


def require_same_components(card: ModelCard, fits: Collection[str | None]) -> None:
    """Refuse to give a model other components than those that it was trained with.

    Parameters
    ----------
    card : ModelCard
    fits : collection of str
        The components that there are, as :attr:`python_ml.dbt.Feature.fit` names them.

    Raises
    ------
    UserError
        When they were fitted again since, or are gone.
    """
    changed = sorted({c.fitted.partition("@")[0] for c in card.columns if c.fitted and c.fitted not in fits})
    if changed:
        raise UserError(
            f"The {_named(changed)} are not those that the model was trained with.",
            where="text.reductions",
            hint="run `retention train`: the features mean something else now",
        )


def _is_label(text: str) -> bool:
    """Whether something fitted is a label, such as ``tickets.body.topic``, and not the components of a text column."""
    return text.count(".") > 1


def _named(texts: Sequence[str]) -> str:
    kinds = {
        "components of ": [text for text in texts if not _is_label(text)],
        "labels ": [text for text in texts if _is_label(text)],
    }
    return " and ".join(kind + ", ".join(names) for kind, names in kinds.items() if names)


def fits_in(session: Any) -> set[str]:
    """The components that are in the warehouse; ``session`` is what dbt gives a Python model."""
    return {f"{text}@{digest}" for text, _, digest in text_fits(session)}
