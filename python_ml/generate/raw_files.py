"""Converted files of a project: made again when the user's files have changed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

from python_ml.errors import UserError
from python_ml.files import read_json, write_text
from python_ml.generate.layout import CONVERTED, PROFILE, RAW_FOLDER
from python_ml.ingest.conversion import refresh_converted
from python_ml.ingest.schema import Conversion


def refresh_raw(folder: Path) -> list[Path]:
    """Convert the raw files of a project again that are not what they were.

    Parameters
    ----------
    folder : Path
        Of the project.

    Returns
    -------
    list of Path
        The user's files that were converted again.

    Raises
    ------
    UserError
        When a file is missing, or cannot be read in the way in which it was.
    """
    if not (folder / PROFILE).is_file() or not (folder / RAW_FOLDER).is_dir():
        return []
    data, hashes = _read(folder / PROFILE), _read(folder / CONVERTED)
    root = Path(os.environ.get("RETENTION_RAW_DIR") or data["raw_dir"])
    root = root if root.is_absolute() else folder.resolve() / root
    sources = []
    for profiled in data["profile"]["tables"]:
        name, stored = profiled["table"]["name"], profiled["table"]["conversion"]
        if stored is not None:
            path, conversion = root / data["paths"][name], Conversion(**stored)
            conversion = replace(conversion, sha256=hashes.get(name, conversion.sha256))
            sources.append((name, path, conversion, folder / RAW_FOLDER / f"{name}.parquet"))
    changed = dict(refresh_converted([source[1:] for source in sources]))
    if changed:
        hashes |= {name: changed[path].sha256 for name, path, *_ in sources if path in changed}
        write_text(folder / CONVERTED, json.dumps(hashes, indent=1) + "\n")
    return list(changed)


def _read(path: Path) -> dict:
    hint = "restore the file from version control, or run `retention init` again"
    try:
        data = read_json(path, "state of the project", hint)
    except FileNotFoundError:
        return {}
    if not isinstance(data, dict):
        raise UserError("The state of the project does not hold an object.", where=str(path), hint=hint)
    return data
