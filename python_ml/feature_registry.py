"""The feature registry: the described columns of gold models, as dbt's manifest has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.text_fits import component_meanings, component_of, text_fits
from python_ml.warehouse import connect, has_warehouse

if TYPE_CHECKING:
    from python_ml.project import Project

ROLES = ("key", "time", "feature", "label")
FINGERPRINT_ROLE, ROW_FINGERPRINT = "fingerprint", "row_fingerprint"


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
        What the column holds.
    source, measure, aggregate, window : str or None
        Where a feature comes from, such as ``orders``, ``amount``, ``sum``, ``30d``.
    leakage_risk : str or None
        ``low``, ``medium`` or ``high``.
    fitted : str or None
        Text column whose fitted components it is made of, such as ``tickets.body``, or label of one, such as
        ``tickets.body.topic``.
    fitted_before, fitted_digest : str or None
        Time (ISO, UTC) up to which texts were known that the components were fitted on, and what names the components;
        None while nothing was fitted.
    ends : tuple of str or None
        What the low and the high end of a component mean: words, or the nearest text.
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
    fitted: str | None = None
    fitted_before: str | None = None
    fitted_digest: str | None = None
    ends: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        if self.ends is not None:  # JSON has lists
            object.__setattr__(self, "ends", tuple(self.ends))

    @property
    def fit(self) -> str | None:
        """Names the fitted components that it is made of; None for other features."""
        return None if self.fitted_digest is None else f"{self.fitted}@{self.fitted_digest}"


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
        if meta.get("role") == FINGERPRINT_ROLE:  # says what a row was made from, for daily builds
            continue
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
                **{k: meta.get(k) for k in ("source", "measure", "aggregate", "window", "leakage_risk", "fitted")},
            )
        )
    return _with_fits(project, features)


def _with_fits(project: Project, features: list[Feature]) -> list[Feature]:
    """Features with what the warehouse says of the components that they are made of."""
    if not any(feature.fitted for feature in features) or not has_warehouse(project):
        return features
    with connect(project) as connection:
        fits = {text: (before.isoformat(), digest) for text, before, digest in text_fits(connection)}
        meanings = component_meanings(connection)

    def fitted(feature: Feature) -> Feature:
        before, digest = fits[feature.fitted]
        meaning = meanings.get((feature.fitted, component_of(feature.measure)))
        return replace(feature, fitted_before=before, fitted_digest=digest, ends=meaning and meaning.ends)

    return [fitted(feature) if feature.fitted in fits else feature for feature in features]
