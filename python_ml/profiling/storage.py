"""Findings as a YAML file: written so that two of them compare line by line, read back against the schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from python_ml import files
from python_ml.errors import UserError
from python_ml.onboarding.dbt_yaml import OneLine, OneLineList, dump
from python_ml.profiling.schema import Findings

_KEPT = ("value", "column", "name")  # may be empty texts

_HEADER = """What `retention profile` found. Counts are exact unless `distinct_exact` is false or `sampled_rows` says
how many rows a quantile, histogram, shape or association was measured on. Times are UTC; no clock was read."""


def write_findings(findings: Findings) -> str:
    """Write findings as YAML; empty lists and absent figures are left out.

    Returns
    -------
    str
        Read back by :func:`read_findings`.
    """
    return dump(_short(findings.model_dump(mode="json", exclude_defaults=False)), _HEADER)


def _short(value: Any) -> Any:
    """Leave out what is absent, and put lists of plain values on one line."""
    if isinstance(value, dict):
        filled = {key: item for key, item in value.items() if item not in (None, [], {})}
        kept = {key: _short(item) for key, item in filled.items() if item != "" or key in _KEPT}
        flat = not any(isinstance(item, dict | list) for item in kept.values())
        return OneLine(kept) if flat and len(kept) <= 4 and "what" not in kept and "words" not in kept else kept
    if isinstance(value, list):
        items = [_short(item) for item in value]
        return items if any(isinstance(item, dict | list) for item in items) else OneLineList(items)
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def read_findings(path: Path) -> Findings:
    """Read ``findings.yaml``.

    Raises
    ------
    UserError
        When the file is missing, is no YAML, or does not keep to the schema; the message names the place.
    """
    import yaml

    try:
        # The one in C reads large files ten times as fast, where there is one.
        data = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
        return Findings.model_validate(data)
    except OSError as error:
        raise UserError("There are no findings.", where=str(path), hint="run `retention profile` first") from error
    except yaml.YAMLError as error:
        raise UserError(
            f"The findings are not YAML: {error}", where=str(path), hint="profile the files again"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"The findings do not keep to the schema: {first['msg']}.",
            where=f"{path}, {place or 'top'}",
            hint="undo the edit, or profile the files again",
        ) from error


def save_profile(findings: Findings, folder: Path, hint: str = "make the folder writable") -> dict[str, Path]:
    """Write ``findings.yaml`` and ``index.html`` into a folder, each in one step: readers see the old or the new one.

    Parameters
    ----------
    findings : Findings
    folder : Path
        Made when it is missing.
    hint : str
        What to do when it cannot be written to.

    Returns
    -------
    dict of str to Path
        ``findings`` and ``page``.

    Raises
    ------
    UserError
        When the folder cannot be written to.
    """
    from python_ml.profiling.page import render_page

    texts = {"findings.yaml": write_findings(findings), "index.html": render_page(findings)}
    for name, text in texts.items():
        path = folder / name
        try:
            files.write_text(path, text)
        except OSError as error:
            raise UserError(f"The profile cannot be written: {error.strerror}.", where=str(path), hint=hint) from error
    return {"findings": folder / "findings.yaml", "page": folder / "index.html"}
