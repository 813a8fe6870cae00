"""How schemas are called on a target: some put a prefix before the names that the project uses."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml.files import read_json
from python_ml.warehouse.targets import engine

if TYPE_CHECKING:
    from python_ml.project import Project

_HINT = "run `retention build` (or `dbt build`)"


def schema_prefix(project: Project) -> str:
    """What the target puts before the names of schemas, as dbt has named them; empty where it has not run there."""
    path = project.manifest_path
    if not path.is_file():
        return ""
    state = path.stat()
    return _prefix(path, state.st_mtime_ns, state.st_size, engine(project))


@lru_cache(maxsize=8)
def _prefix(path: Path, changed: int, size: int, kind: str) -> str:
    manifest = read_json(path, "dbt manifest", _HINT)
    if manifest.get("metadata", {}).get("adapter_type") != kind:  # it speaks of another target
        return ""
    for node in manifest.get("nodes", {}).values():
        called, schema = (node.get("config") or {}).get("schema"), str(node.get("schema", ""))
        if node.get("resource_type") == "model" and called and schema.endswith(called):
            return schema.removesuffix(called)
    return ""
