"""The stages of exploration behind an iteration: profile, relations, features."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from python_ml.project import Project


def stages(project: Project) -> dict[str, dict[str, Any]]:
    """What is known of the data and the features at each stage.

    Projects that `retention init` wrote have a stored profile of their raw files. Others are described by their
    warehouse and by dbt's manifest, as far as these exist.

    Returns
    -------
    dict of str to dict
        ``profile``, ``relations`` and ``features``; each with ``figures``, counts by name, and details.
    """
    from python_ml.generate.layout import PROFILE

    if (project.root / PROFILE).is_file():
        profile, relations = _stored_profile(project)
    else:
        profile, relations = _warehouse(project), _tested_relations(project)
    return {"profile": profile, "relations": relations, "features": _features(project)}


def _stored_profile(project: Project) -> tuple[dict[str, Any], dict[str, Any]]:
    from python_ml.generate.project import read_examination

    profile = read_examination(project.root).profile
    tables = {
        t.name: {
            "rows": t.table.rows,
            "columns": len(t.columns),
            "keys": [list(key.columns) for key in t.keys],
            "time": t.time.column if t.time else None,
        }
        for t in profile.tables
    }
    links = [
        {
            "child": [r.child, *r.child_columns],
            "parent": [r.parent, *r.parent_columns],
            "cardinality": r.cardinality,
            "matched": r.rows_matched / r.rows if r.rows else None,
        }
        for r in profile.relations
    ]
    refused = list(profile.refused_relations)
    return _of_tables(tables), {"figures": {"count": len(links), "refused": len(refused)}, "links": links}


def _of_tables(tables: dict[str, dict[str, Any]]) -> dict[str, Any]:
    figures = {
        "tables": len(tables),
        "rows": sum(table["rows"] for table in tables.values()),
        "columns": sum(table["columns"] for table in tables.values()),
    }
    return {"figures": figures, "tables": tables}


def _warehouse(project: Project) -> dict[str, Any]:
    """Rows and columns of the raw and the bronze tables."""
    from python_ml.warehouse import connect, count_columns, has_warehouse, relation

    if not has_warehouse(project):
        return _of_tables({})
    known = count_columns(project, ("raw", "bronze"))
    with connect(project) as connection:
        tables = {}
        for name, columns in known.items():
            ((count,),) = connection.execute(f"select count(*) from {relation(name)}").fetchall()
            tables[name] = {"rows": count, "columns": columns}
    return _of_tables(tables)


def _tested_relations(project: Project) -> dict[str, Any]:
    """The relationships that dbt tests."""
    nodes = project.manifest["nodes"].values() if project.manifest_path.is_file() else ()
    links = []
    for node in nodes:
        test = node.get("test_metadata") or {}
        if test.get("name") == "relationships":
            child, arguments = str(node.get("attached_node") or "").rpartition(".")[2], test.get("kwargs", {})
            links.append(
                {
                    "child": [child, arguments.get("column_name")],
                    "parent": [arguments.get("to"), arguments.get("field")],
                }
            )
    return {"figures": {"count": len(links)}, "links": links}


def _features(project: Project) -> dict[str, Any]:
    from python_ml.dbt import feature_registry

    registry = feature_registry(project) if project.manifest_path.is_file() else []
    features = [feature for feature in registry if feature.role == "feature"]
    excluded = project.settings.features.excluded(feature.name for feature in features)

    def counts(part: str) -> dict[str, int]:
        return dict(sorted(Counter(str(getattr(feature, part) or "none") for feature in features).items()))

    return {
        "figures": {"count": len(features), "excluded": len(excluded)},
        "by_source": counts("source"),
        "by_aggregate": counts("aggregate"),
        "by_window": counts("window"),
        "excluded": excluded,
    }
