"""Profiles as text: JSON that is read back, and YAML for comparing; files written as a whole or not at all."""

from __future__ import annotations

import math
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.profile.notices import notices
from python_ml.profile.schema import Profile
from python_ml.yaml_io import OneLine, OneLineList, dump

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION = 2
_KEPT = ("value", "name", "column", "group")  # may be empty texts
_LONG = ("text", "reason", "why", "because")  # sentences that deserve a line of their own
_HEADER = """Profile of raw files. Counts are exact; quantiles, histograms, shapes and associations of large tables come
from sampled_rows rows. Times are UTC; no clock was read."""


@cache
def _adapter() -> TypeAdapter:
    from pydantic import TypeAdapter

    return TypeAdapter(Profile)


def to_json(profile: Profile) -> str:
    """Write a profile as JSON, in the order of its fields; :func:`from_json` reads it back unchanged."""
    return _adapter().dump_json(profile, indent=1).decode() + "\n"


def from_json(text: str, where: str = "profile.json") -> Profile:
    """Read a profile.

    Parameters
    ----------
    where : str
        Name of the file, for messages.

    Raises
    ------
    UserError
        When the text is not what :func:`to_json` writes, such as after an edit or by another version.
    """
    from pydantic import ValidationError

    try:
        return _adapter().validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"The profile cannot be read: {first['msg']}.",
            where=f"{where}, {place or 'top'}",
            hint="undo the edit, or profile the files again",
        ) from error


def to_yaml(profile: Profile) -> str:
    """Write a profile for comparing line by line: six significant digits, without what is empty."""
    data = _adapter().dump_python(profile, mode="json")
    for table, made in zip(profile.tables, data["tables"], strict=True):
        # nothing of this machine: neither its folders nor the relations of a scratch database
        made["table"] |= {"path": table.table.path.name, "relation": "", "view": "", "converted": None}
    noted = [asdict(notice) for notice in notices(profile)]
    return dump({"version": VERSION, "notices": _short(noted), **_short(data)}, _HEADER, is_long=True)


def _short(value: Any) -> Any:
    """Leave out what is empty, round, and put short entries on one line."""
    if isinstance(value, dict):
        kept = {k: _short(v) for k, v in value.items() if v not in (None, [], {}) and (v != "" or k in _KEPT)}
        flat = not any(isinstance(item, dict | list) for item in kept.values())
        return OneLine(kept) if flat and len(kept) <= 5 and not kept.keys() & set(_LONG) else kept
    if isinstance(value, list):
        items = [_short(item) for item in value]
        return items if any(isinstance(item, dict | list) for item in items) else OneLineList(items)
    if isinstance(value, float):
        rounded = float(f"{value:.6g}") if math.isfinite(value) else None
        return int(rounded) if rounded is not None and rounded.is_integer() and abs(rounded) < 1e15 else rounded
    return value


# What the files of a profile, and no others, begin with or contain.
_MARKS = {"findings.yaml": f"# {_HEADER.split('.')[0]}.", "index.html": "<h1>Data profile</h1>"}


def check_output(folder: Path) -> None:
    """Refuse a folder in which a profile would replace files that no profile wrote.

    Raises
    ------
    UserError
        When it is such a folder.
    """
    for name, mark in _MARKS.items():
        path = folder / name
        if path.exists() and not (path.is_file() and mark.encode() in path.read_bytes()):
            raise UserError(
                f"There is a file {name} that `retention profile` did not write: it is not replaced.",
                where=str(path),
                hint="choose another folder, or move the file away",
            )
