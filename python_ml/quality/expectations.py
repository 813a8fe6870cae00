"""Great Expectations: the one module that knows the library. Checks and a frame in, outcomes out.

The library takes seconds to import, and some ten milliseconds for each expectation, however few rows there are. So what
a frame evidently keeps is counted here, and the library judges whatever fails, with its examples. It gets pandas
frames, never the warehouse. Nothing is sent anywhere: there is no project folder, no cloud, and its usage statistics
are switched off.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pandas as pd

from python_ml.formatting import integer, percent
from python_ml.masking import masked
from python_ml.quality.checks import CRITICAL, Check, Outcome

if TYPE_CHECKING:
    import great_expectations as gx

EXAMPLES = 5
PART = 8  # columns that are validated together
LONGEST_EXAMPLE = 40

OF_EMPTY = ("null_rate", "empty", "key_present")

# Read when the library is imported, and by versions of it that send usage statistics.
_QUIET = {"GX_ANALYTICS_ENABLED": "false", "GX_POSTHOG_ENABLED": "false"}


def validate(frame: pd.DataFrame, checks: Sequence[Check], name: str) -> list[Outcome]:
    """Ask a suite of checks of a frame.

    Parameters
    ----------
    frame : pandas.DataFrame, shape (n_rows, any)
        With every column that the checks name, and of types that they can be run on.
    checks : sequence of Check, n_checks
    name : str
        Name of the suite.

    Returns
    -------
    list of Outcome, n_checks
        In the given order.

    Raises
    ------
    RuntimeError
        When the library could not evaluate an expectation: a defect of ours.
    """
    plain = _plain(frame)
    kept = {id(check): result for check in checks if (result := _evident(check, plain)) is not None}
    outcomes = {id(c): _outcome(c, kept[id(c)], True, len(frame)) for c in checks if id(c) in kept}
    outcomes |= _judged(plain, [check for check in checks if id(check) not in kept], name)
    return [outcomes[id(check)] for check in checks]


def _evident(check: Check, frame: pd.DataFrame) -> dict[str, Any] | None:
    """What the library would find where a check passes; None where it fails or cannot be counted here."""
    wanted = check.arguments
    if check.expectation == "expect_table_columns_to_match_set":
        return {"observed_value": list(frame.columns)} if set(wanted["column_set"]) <= set(frame.columns) else None
    if check.expectation == "expect_table_row_count_to_be_between":
        return {"observed_value": len(frame)} if _lies_between(len(frame), wanted) else None
    if check.expectation == "expect_compound_columns_to_be_unique":
        has_copies = frame.duplicated(wanted["column_list"]).any()
        return None if has_copies else {"unexpected_count": 0, "missing_count": 0}
    column = check.column or wanted.get("column")
    return None if column is None else _evident_of_column(check, frame[column])


def _evident_of_column(check: Check, values: pd.Series) -> dict[str, Any] | None:
    wanted = check.arguments
    missing = values.isna()
    odd, judged = 0, len(values) - int(missing.sum())
    if check.expectation == "expect_column_values_to_not_be_null":
        odd, judged = int(missing.sum()), len(values)
    elif check.expectation == "expect_column_values_to_be_unique":
        odd = int(values[~missing].duplicated().sum())
    elif check.expectation == "expect_column_values_to_be_between" and pd.api.types.is_numeric_dtype(values.dtype):
        low, high = wanted.get("min_value", -math.inf), wanted.get("max_value", math.inf)
        odd = int((~values.between(low, high) & ~missing).sum())
    elif check.expectation == "expect_column_values_to_be_in_set":
        odd = int((~values.isin(wanted["value_set"]) & ~missing).sum())
    elif check.expectation == "expect_column_values_to_be_in_type_list":
        kind = values.dtype.type.__name__
        if values.dtype != object and kind in wanted["type_list"]:
            return {"observed_value": kind}
        is_text = values.dtype == object and "str" in wanted["type_list"]
        if not is_text or pd.api.types.infer_dtype(values, skipna=True) != "string":
            return None
    elif check.expectation in _EXTREMES and judged and values.dtype.kind == "M":
        extreme = _EXTREMES[check.expectation](values)
        return {"observed_value": extreme} if _lies_between(extreme, wanted) else None
    else:
        return None
    if odd > (1 - wanted.get("mostly", 1.0)) * judged:
        return None
    return {"unexpected_count": odd, "missing_count": int(missing.sum())}


_EXTREMES = {"expect_column_min_to_be_between": pd.Series.min, "expect_column_max_to_be_between": pd.Series.max}


def _lies_between(value: Any, wanted: dict[str, Any]) -> bool:
    low, high = wanted.get("min_value"), wanted.get("max_value")
    return (low is None or value >= low) and (high is None or value <= high)


def _judged(frame: pd.DataFrame, checks: Sequence[Check], name: str) -> dict[int, Outcome]:
    """Outcomes by the library, by the identity of the check."""
    if not checks:
        return {}
    gx, rows = _library(), _batches()
    wanted = {"result_format": "BASIC", "partial_unexpected_count": EXAMPLES}
    outcomes = {}
    for part in _parts(checks):
        needed = set().union(*(check.needs for check in part))
        # The check of columns has to see all of them, but nothing in them.
        seen = frame if any(check.name == "columns" for check in part) else frame[[c for c in frame if c in needed]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            batch = rows.get_batch(batch_parameters={"dataframe": seen})
            results = batch.validate(_suite(gx, part, name), result_format=wanted).results
        for result in results:
            check = part[result.expectation_config.meta["number"]]
            _refuse_errors(check, result.exception_info)
            outcomes[id(check)] = _outcome(check, result.result, bool(result.success), len(frame))
    return outcomes


def _parts(checks: Sequence[Check]) -> list[list[Check]]:
    """Checks in parts that concern few columns each: for every expectation the library copies all it is given."""
    by_column: dict[str | None, list[Check]] = {}
    for check in checks:
        by_column.setdefault(check.column, []).append(check)
    groups = list(by_column.values())
    starts = range(0, len(groups), PART)
    return [[check for group in groups[start : start + PART] for check in group] for start in starts]


def _library() -> Any:
    for variable, value in _QUIET.items():
        os.environ[variable] = value
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import great_expectations as gx
    return gx


@lru_cache(maxsize=1)
def _batches() -> Any:
    """What makes a batch of a frame, in a context that is on no disk; made once, since it takes a while."""
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = _library().get_context(mode="ephemeral")
    # A bar of the library's own would break into the console's progress.
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("warehouse").add_dataframe_asset("frame")
    return asset.add_batch_definition_whole_dataframe("all rows")


def _suite(gx: Any, checks: Sequence[Check], name: str) -> gx.ExpectationSuite:
    expectations = []
    for number, check in enumerate(checks):
        kind = getattr(gx.expectations, "".join(part.capitalize() for part in check.expectation.split("_")))
        column = {} if check.column is None else {"column": check.column}
        meta = {"number": number, "check": check.id, "allowed": check.allowed}
        expectations.append(kind(**column, **check.arguments, severity=check.severity, meta=meta))
    return gx.ExpectationSuite(name=name, expectations=expectations)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with pandas' own extension types as what they hold: the library knows numpy's and Python's."""
    columns = {}
    for name, values in frame.items():
        kind = values.dtype
        if isinstance(kind, pd.CategoricalDtype | pd.StringDtype | pd.BooleanDtype):
            values = values.astype(object).where(values.notna(), None)
        elif pd.api.types.is_extension_array_dtype(kind) and pd.api.types.is_numeric_dtype(kind):
            values = values.astype("float64")
        columns[name] = values
    return pd.DataFrame(columns, index=frame.index, copy=False)


def _refuse_errors(check: Check, raised: dict[str, Any]) -> None:
    # One dictionary, or one for each figure that could not be computed.
    for info in [raised] if "raised_exception" in raised else raised.values():
        if info["raised_exception"]:
            raise RuntimeError(f"{check.id} could not be evaluated: {info['exception_message']}")


def _outcome(check: Check, result: dict[str, Any], success: bool, rows: int) -> Outcome:
    severity = check.severity
    if "unexpected_count" in result:
        # Empty values are judged by null_rate; of the others, the library takes shares of those that are there.
        judged = rows if "mostly" not in check.arguments or check.name in OF_EMPTY else rows - result["missing_count"]
        share = result["unexpected_count"] / judged if judged else 0.0
        if not success and check.critical_above is not None and share > check.critical_above:
            severity = CRITICAL
        observed = _odd_rows(check, result["unexpected_count"], judged, share)
    else:
        seen = result["observed_value"]
        if not success and check.critical_below is not None and seen < check.critical_below:
            severity = CRITICAL
        observed = _observed(check, seen)
    return Outcome(check, success, severity, observed, () if success else _examples(check, result))


def _odd_rows(check: Check, count: int, judged: int, share: float) -> str:
    what = {
        "null_rate": "are empty",
        "empty": "are empty",
        "key_present": "have no " + str(check.arguments.get("column")),
        "key_unique": "share their key with another row",
        "range": "lie outside",
        "sign": "lie outside of what is possible",
        "categories": "were not there before",
        "type": "are of another type",
    }[check.name]
    of = "values" if check.name in ("range", "categories") else "rows"
    return f"{integer(count)} of {integer(judged)} {of} ({percent(share)}) {what}"


def _observed(check: Check, seen: Any) -> str:
    if check.name == "columns":
        gone = [name for name in check.arguments["column_set"] if name not in set(seen)]
        if not gone:
            return "all are there"
        rest = f" and {len(gone) - EXAMPLES} more" if len(gone) > EXAMPLES else ""
        return "missing: " + ", ".join(f"`{name}`" for name in gone[:EXAMPLES]) + rest
    if check.name == "row_count":
        return f"{integer(int(seen))} rows"
    if check.name == "type":
        return f"the column is of type {seen}"
    return f"{'oldest' if 'min' in check.expectation else 'newest'}: {pd.Timestamp(seen).isoformat()}"


def _examples(check: Check, result: dict[str, Any]) -> tuple[str, ...]:
    """Some unexpected values, each once; a key's values are shown, an empty value is not."""
    if check.name in OF_EMPTY:
        return ()
    shown: dict[str, None] = {}
    for value in result.get("partial_unexpected_list") or []:
        text = masked(", ".join(map(str, value.values())) if isinstance(value, dict) else str(value))
        shown[text if len(text) <= LONGEST_EXAMPLE else text[: LONGEST_EXAMPLE - 1] + "…"] = None
    return tuple(shown)
