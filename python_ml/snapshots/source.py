"""Which training sets can be frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from python_ml.dbt import TRAINING_SET
from python_ml.errors import UserError

# Types that parquet keeps exactly and that have canonical bytes.
_KEPT = re.compile(
    r"(BOOLEAN|U?(TINY|SMALL|BIG)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(\d+,\s?\d+\)|DATE|VARCHAR|ENUM\(.*\)"
    r"|TIMESTAMP(_S|_MS|_NS)?( WITH TIME ZONE)?)",
    re.DOTALL,
)
_NEEDED = ("churned", "label_timestamp")


def check_types(types: Mapping[str, str], key: Sequence[str]) -> None:
    """Refuse a training set that a file would not keep exactly, or that lacks what every training set has.

    Parameters
    ----------
    types : mapping of str to str
        DuckDB's type of each column.
    key : sequence of str

    Raises
    ------
    UserError
    """
    missing = [name for name in (*key, *_NEEDED) if name not in types]
    if missing:
        raise UserError(
            f"The training set has no column {' and no column '.join(missing)}.",
            where=TRAINING_SET,
            hint="check the variable `entity` in dbt_project.yml, then run `retention build`",
        )
    odd = [f"{name} ({kind})" for name, kind in types.items() if not _KEPT.fullmatch(kind)]
    if odd:
        raise UserError(
            f"A snapshot cannot keep {', '.join(odd[:5])} exactly.",
            where=TRAINING_SET,
            hint="cast to bigint, double, decimal(p, s), string, boolean, date or timestamp in gld_customer_features",
        )


def unfit(why: str) -> UserError:
    """The error for rows that have no canonical order."""
    return UserError(
        f"The training set cannot be frozen: {why}.",
        where=TRAINING_SET,
        hint="run `retention build` with its tests: customer and feature_timestamp must be unique and never empty, "
        "and times have whole microseconds",
    )
