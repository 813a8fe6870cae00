"""The dashboard: customers to search, sort and filter, with what is known of each, as one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from python_ml.files import write_text
from python_ml.formatting import integer, key_text
from python_ml.report import page
from python_ml.report.columnar import packed
from python_ml.report.customer_page import FOLDER, file_name, way_values
from python_ml.report.dashboard_data import DashboardData, details, population, read_dashboard

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from python_ml.explanation.counterfactuals import Counterfactual
    from python_ml.model.card import CardColumn
    from python_ml.project import Project

PAGE = "dashboard.html"
SCRIPTS = ("dashboard", "dashboard_population", "dashboard_customer")
Ways = Mapping[Any, "Sequence[Counterfactual] | None"]


def write_dashboard(project: Project, ways: Ways | None = None, columns: Sequence[CardColumn] = ()) -> Path:
    """Write ``reports/dashboard.html`` from the gold tables; where it is.

    Parameters
    ----------
    project : Project
    ways : mapping of object to (list of Counterfactual or None), optional
        Counterfactuals by key of the customer, for those for whom they were searched.
    columns : sequence of CardColumn
        The features of the champion that the counterfactuals are of.

    Raises
    ------
    UserError
        When there is no warehouse.
    """
    path, folder = project.reports_dir / PAGE, project.reports_dir / FOLDER
    pages = {file.name for file in folder.glob("*.html")} if folder.is_dir() else set()
    report = "index.html" if (project.reports_dir / "index.html").is_file() else None
    write_text(path, render_dashboard(read_dashboard(project), ways, columns, pages, report))
    return path


def render_dashboard(
    data: DashboardData,
    ways: Ways | None = None,
    columns: Sequence[CardColumn] = (),
    pages: Collection[str] = (),
    report: str | None = None,
) -> str:
    """Render the page.

    Parameters
    ----------
    data : DashboardData
    ways, columns
        As for :func:`write_dashboard`.
    pages : collection of str
        Names of the files in ``reports/customers``, which are linked.
    report : str, optional
        Address of the report.

    Returns
    -------
    str
        An HTML page that depends on the arguments alone. Keys, names and values are compressed data, which only the
        page's own script reads, as text.
    """
    values = {
        "project_name": data.project_name,
        "entity": data.entity,
        "customers": len(data.keys),
        "count": integer(len(data.keys)),
        "as_of": data.as_of if data.dated else None,
        "model": data.model,
        "version": data.version,
        "remarks": data.remarks,
        "report": report,
    }
    if not data.keys:
        return page.render("dashboard", values | {"population": "", "details": ""})
    by_name = {column.name: column for column in columns}
    described = {key_text(key): found for key, found in (ways or {}).items()}
    document, arrays = details(data)
    document["ways"] = {
        str(place): [way_values(way, by_name) for way in described[key]] if described[key] is not None else None
        for place, key in enumerate(data.keys)
        if key in described
    }
    document["pages"] = {
        str(place): f"{FOLDER}/{name}"
        for place, key in enumerate(data.keys)
        if pages and (name := file_name(key)) in pages
    }
    packs = {"population": packed(*population(data)), "details": packed(document, arrays)}
    return page.render("dashboard", values | packs, SCRIPTS)
