"""``recommendations.yaml``: written in a stable order, read back with messages that name the entry."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from python_ml.errors import UserError
from python_ml.recommendations.schema import VERSION, Proposal, order

FILE = "recommendations.yaml"
_HEADER = """What could be done to the data, layer by layer. An editor decides: set `status` to accepted or rejected,
change `parameters`, add a `note`; then run `retention generate`. `applied` means accepted, and in the generated code.
`retention recommend` looks anew and keeps what was decided here. Other comments than notes are not kept."""


def write(proposals: Iterable[Proposal]) -> str:
    """Write proposals as YAML, in their order; what is empty is left out."""
    from python_ml.onboarding.dbt_yaml import OneLine, OneLineList, dump

    entries = []
    for entry in sorted(proposals, key=order):
        data = entry.model_dump(mode="json")
        kept: dict[str, Any] = {"id": data["id"], "status": data["status"]}
        kept |= {key: data[key] for key in ("layer", "table", "action")}
        kept["columns"] = OneLineList(data["columns"])
        for part in ("parameters", "evidence"):
            values = {k: OneLineList(v) if isinstance(v, list) else v for k, v in data[part].items()}
            flat = sum(len(str(v)) + len(k) for k, v in values.items()) < 90
            kept[part] = OneLine(values) if flat else values
        kept |= {"reason": data["reason"], "note": data["note"], "vanished": data["vanished"]}
        entries.append({key: value for key, value in kept.items() if value not in ({}, [], None, False)})
    text = dump({"version": VERSION, "proposals": entries}, _HEADER)
    return text.replace("\n  - id: ", "\n\n  - id: ")


def read(path: Path) -> list[Proposal]:
    """Read ``recommendations.yaml``.

    Raises
    ------
    UserError
        When the file is missing, is no YAML, or an entry does not keep to the schema; names the entry and its line.
    """
    from python_ml.yaml_io import parsed

    if not path.exists():
        raise UserError("There are no recommendations yet.", where=str(path), hint="run `retention recommend` first")
    with parsed(path, "recommendations") as (loader, node):
        data = loader.construct_document(node) if node is not None else {}
    if (
        not isinstance(data, dict)
        or set(data) - {"version", "proposals"}
        or not isinstance(data.get("proposals"), list)
    ):
        raise UserError(
            "The recommendations must be a mapping with `version` and a list of `proposals`.",
            where=str(path),
            hint="undo the edit, or delete the file and run `retention recommend`",
        )
    if data.get("version") != VERSION:
        raise UserError(
            f"The recommendations have version {data.get('version')!r}; this program knows {VERSION}.",
            where=str(path),
            hint="run `retention recommend` with the version that wrote them, or delete the file",
        )
    entries = next(value for key, value in node.value if key.value == "proposals")
    lines = [child.start_mark.line + 1 for child in entries.value]
    found: list[Proposal] = []
    seen: dict[str, int] = {}
    for entry, line in zip(data["proposals"], lines, strict=True):
        found.append(_checked(entry, path, line))
        name = found[-1].id
        if name in seen:
            raise UserError(
                f"The proposal {name} is there twice.",
                where=f"{path}, lines {seen[name]} and {line}",
                hint="keep one of the two",
            )
        seen[name] = line
    return found


def _checked(entry: Any, path: Path, line: int) -> Proposal:
    name = entry.get("id", "without an id") if isinstance(entry, dict) else "that is no mapping"
    where = f"{path}, line {line}, entry {name}"
    try:
        return Proposal.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        reason = first["msg"].removeprefix("Value error, ")
        hint = "correct it, or delete the entry: `retention recommend` proposes it again"
        if first["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(first["loc"][-1]), list(Proposal.model_fields), n=1)
            reason = f"there is no `{first['loc'][-1]}` in a proposal"
            hint = f"did you mean `{close[0]}`?" if close else hint
        raise UserError(
            f"A proposal does not keep to the schema: {f'{place}: ' if place else ''}{reason}.", where=where, hint=hint
        ) from error
