"""Sheets of Excel and OpenDocument files, as rows with types."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from python_ml.errors import UserError


def sheet_of(path: Path, wanted: str | None) -> str:
    """Choose a sheet: the named one, or the only one with rows.

    Raises
    ------
    UserError
        When there is no such sheet, or several have rows.
    """
    book = _load(path)
    names = list(book.sheet_names)
    if wanted is not None:
        chosen = next((n for n in names if n == wanted), next((n for n in names if n.lower() == wanted.lower()), None))
        if chosen is None:
            raise UserError(f"There is no sheet `{wanted}`.", where=str(path), hint=f"choose one of {', '.join(names)}")
        return chosen
    filled = [name for name in names if book.get_sheet_by_name(name).height > 1]
    if not filled:
        raise UserError("The workbook has no sheet with rows.", where=str(path), hint="export it again, with rows")
    if len(filled) > 1:
        raise UserError(
            f"The workbook has {len(filled)} sheets with rows: {', '.join(filled)}.",
            where=str(path),
            hint=f"name one, such as --data '{path.name}#{filled[0]}'; give the file again for another one",
        )
    return filled[0]


def sheet_rows(path: Path, sheet: str) -> list[list[Any]]:
    """Rows of a sheet, blank ones left out, with the values that Excel holds.

    Raises
    ------
    UserError
        When the file has no such sheet, or cannot be read.
    """
    rows = _load(path).get_sheet_by_name(sheet_of(path, sheet)).to_python(skip_empty_area=True)
    return [row for row in rows if any(value != "" for value in row)]


def as_text(value: Any) -> str:
    """A cell as it would stand in a text file."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime | date | time):
        return value.isoformat(" ") if isinstance(value, datetime) else value.isoformat()
    return "" if value is None else str(value)


def as_column(values: Sequence[Any]) -> Any:
    """A column with the type that all its values have, else as text; an empty cell is null.

    Returns
    -------
    pyarrow.Array
    """
    import pyarrow as pa

    filled = [value for value in values if value is not None and value != ""]
    cells = [None if value == "" else value for value in values]
    if filled and all(isinstance(value, bool) for value in filled):
        return pa.array(cells, pa.bool_())
    if filled and all(isinstance(value, int | float) and not isinstance(value, bool) for value in filled):
        is_whole = all(float(value).is_integer() and abs(value) < 1e15 for value in filled)
        kind = pa.int64() if is_whole else pa.float64()
        return pa.array([None if v is None else int(v) if is_whole else float(v) for v in cells], kind)
    if filled and all(isinstance(value, date) for value in filled):
        moments = [datetime(v.year, v.month, v.day) if v and not isinstance(v, datetime) else v for v in cells]
        return pa.array(moments, pa.timestamp("us"))
    if filled and all(isinstance(value, timedelta) for value in filled):
        return pa.array([None if v is None else _clock(v) for v in cells], pa.string())
    return pa.array([None if v is None else as_text(v) for v in cells], pa.string())


def _clock(value: timedelta) -> str:
    seconds = int(value.total_seconds())
    return f"{seconds // 3600}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def _load(path: Path) -> Any:
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        return CalamineWorkbook.from_path(str(path))
    except (CalamineError, OSError, ValueError) as error:
        raise UserError(
            f"The workbook cannot be read: {error}.", where=str(path), hint="save it again, or export it as CSV (UTF-8)"
        ) from error
