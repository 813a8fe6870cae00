"""The feature registry: dbt's own column metadata, read from its manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from python_ml.errors import UserError

if TYPE_CHECKING:
    from python_ml.project import Project

ROLES = ("key", "time", "feature", "label")


@dataclass(frozen=True)
class Feature:
    """One described column of a gold table.

    Attributes
    ----------
    name : str
        Column name.
    role : str
        ``key``, ``time``, ``feature`` or ``label``.
    data_type : str
        Type in the contract, lower case.
    description : str
        What the column holds, in words.
    source, measure, aggregate, window : str or None
        Where a feature comes from, such as ``orders``, ``amount``, ``sum``, ``30d``.
    leakage_risk : str or None
        ``low``, ``medium`` or ``high``.
    """

    name: str
    role: str
    data_type: str = "double"
    description: str = ""
    source: str | None = None
    measure: str | None = None
    aggregate: str | None = None
    window: str | None = None
    leakage_risk: str | None = None


def feature_registry(project: Project, model: str = "gld_customer_features") -> list[Feature]:
    """Read the described columns of a gold model, in their order.

    Raises
    ------
    UserError
        When the model is missing or a column has no valid role.
    """
    nodes = project.manifest["nodes"]
    node = next((n for n in nodes.values() if n["resource_type"] == "model" and n["name"] == model), None)
    if node is None:
        raise UserError(
            f"The project has no model {model}.",
            where=str(project.manifest_path),
            hint="run the command in a project that `retention init` wrote, and `retention build` first",
        )
    features = []
    for column in node["columns"].values():
        meta = {**column.get("meta", {}), **column.get("config", {}).get("meta", {})}
        if meta.get("role") not in ROLES:
            raise UserError(
                f"Column {column['name']} of {model} has no role.",
                where=node["original_file_path"],
                hint=f"set config.meta.role to one of {', '.join(ROLES)}",
            )
        features.append(
            Feature(
                name=column["name"],
                role=meta["role"],
                data_type=(column.get("data_type") or "double").lower(),
                description=column.get("description", ""),
                **{k: meta.get(k) for k in ("source", "measure", "aggregate", "window", "leakage_risk")},
            )
        )
    return features
