"""The model card of a registered version, as a page, as markdown, and as its description in MLflow.

What a card says follows Mitchell et al. 2019, "Model cards for model reporting".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from python_ml.formatting import counted, date, decimal, duration, integer, model_title, moment, number, percent
from python_ml.model.card import ModelCard
from python_ml.report import page
from python_ml.report.curves import calibration_bins
from python_ml.report.customers import direction_kind
from python_ml.report.performance import METRICS, part

if TYPE_CHECKING:
    import pandas as pd


PAGE, TEXT = "model_card.html", "model_card.md"
LISTED_DRIVERS = 10
LISTED = 20  # findings and warnings
DESCRIPTION = 5_000  # characters that MLflow keeps
EFFECTS = {"raises": "higher value, higher risk", "lowers": "higher value, lower risk", "mixed": "depends on the value"}
DEFINITIONS = {
    "churn_definition": "Definition", "target": "Target column", "churned_values": "Values that mean churn",
    "horizon": "Horizon", "gap": "Gap", "grace": "Grace", "active_window": "At risk if active within",
}  # fmt: skip
_BLIND_SPOTS = (
    "Contributions describe the model. They are not causes: changing a feature need not change the customer's risk.",
    "The model is valid for customers like those of its training rows, not for new products, prices or markets.",
)


@dataclass(frozen=True)
class CardSection:
    """A part of a card: facts, then a table, then sentences, then code; any of them may be empty."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    head: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()
    sentences: Sequence[str] = ()
    code: str = ""


@dataclass(frozen=True)
class CardPage:
    """Everything that a card shows, as text.

    Attributes
    ----------
    title, lead : str
    distrust : tuple of str
        Why its figures must not be believed; empty where nothing speaks against them.
    sections : tuple of CardSection
    """

    title: str
    lead: str
    distrust: tuple[str, ...]
    sections: tuple[CardSection, ...]


def model_card(
    metrics: Mapping[str, Any],
    card: ModelCard,
    drivers: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    registered_name: str,
    definitions: Mapping[str, Any],
    fairness: pd.DataFrame | None = None,
    diagnostics: pd.DataFrame | None = None,
    backtest: Mapping[str, Any] | None = None,
) -> CardPage:
    """Write down what is known of a version.

    Parameters
    ----------
    metrics : mapping
        ``metrics.json`` of its training.
    card : ModelCard
        What scoring knows of it.
    drivers, predictions : pandas.DataFrame
        As in ``reports/``.
    registered_name : str
        Name of the registered model.
    definitions : mapping
        dbt's variables.
    fairness, diagnostics : pandas.DataFrame, optional
        What `retention diagnose` measured of this version.
    backtest : mapping, optional
        ``reports/backtest.json`` of this version.
    """
    champion, registration = metrics["champion"], part(metrics, "registration") or {}
    version, serving = champion["version"], registration.get("champion")
    kind = model_title(champion["name"])
    members = f" (the average of {', '.join(map(model_title, champion['members']))})" if champion.get("members") else ""
    standing = "champion: it scores" if serving == version else f"challenger of version {serving}, which scores"
    horizon = definitions.get("horizon")
    within = f" within {duration(horizon)}" if horizon else ""
    return CardPage(
        title=f"{kind}, version {version}",
        lead=f"Gives the probability that a customer churns{within}, calibrated, with reasons.",
        distrust=tuple(str(reason) for reason in metrics.get("not_trusted_because") or ()),
        sections=(
            CardSection(
                "Standing",
                [
                    ("Registered as", f"{registered_name}, version {version}"),
                    ("Model", f"{kind}{members}"),
                    ("Status", standing),
                    ("Decided because", str(registration.get("reason", "not decided yet"))),
                    ("MLflow run", str(champion["run_id"])),
                ],
            ),
            CardSection("Performance", _split(metrics), *_performance(metrics)),
            CardSection("Outcome", _outcome(definitions, card)),
            CardSection("Data", _data(metrics, card)),
            CardSection("Limits", sentences=_limits(metrics)),
            CardSection(
                "How to load",
                sentences=["The frame is gold.gld_scoring_set as read by DuckDB; additional columns are ignored."],
                code=_loading(registered_name, version),
            ),
            CardSection("Leakage", sentences=_leakage(metrics)),
            _fairness(metrics, fairness),
            *_diagnosed(fairness, diagnostics),
            *_backtested(backtest),
            _drivers(drivers, card),
            _calibration(metrics, card, predictions, champion["name"]),  # its table is what a description may lack
        ),
    )


def render_html(card: CardPage, project_name: str) -> str:
    """A card as a self-contained page. Every name and value is escaped."""
    return page.render("card", {"card": card, "project_name": project_name})


def render_markdown(card: CardPage) -> str:
    """A card as markdown. Marks of markdown and HTML in names and values are escaped."""
    lines = [f"# {_plain(card.title)}", "", _plain(card.lead), ""]
    if card.distrust:
        lines += [f"**The figures are not to be trusted:** {_plain('; '.join(card.distrust))}.", ""]
    for section in card.sections:
        lines += [f"## {section.title}", ""]
        if section.facts:
            lines += [f"- {_plain(name)}: {_plain(value)}" for name, value in section.facts] + [""]
        if section.table:
            rows = [section.head, ["---"] * len(section.head), *section.table]
            lines += [f"| {' | '.join(map(_plain, row)) if row[0] != '---' else ' | '.join(row)} |" for row in rows]
            lines.append("")
        if section.sentences:
            lines += [f"- {_plain(sentence)}" for sentence in section.sentences] + [""]
        if section.code:
            lines += ["```python", section.code, "```", ""]
    return page.cleaned("\n".join(lines).rstrip() + "\n")


def description(markdown: str) -> str:
    """As much of a card as MLflow keeps."""
    if len(markdown) <= DESCRIPTION:
        return markdown
    rest = f"\n\n… The whole card is `{TEXT}` among the artifacts of the run.\n"
    return markdown[: DESCRIPTION - len(rest)].rpartition("\n")[0] + rest


def _performance(metrics: Mapping[str, Any]) -> tuple[Sequence[str], list[list[str]]]:
    """Head and rows: the version on validation and test, then the baselines."""
    name = metrics["champion"]["name"]
    measured = [
        (f"{model_title(name)}, {split}", part(metrics, "models", name, split)) for split in ("validation", "test")
    ]
    measured += [
        (f"{model_title(baseline)}, test", part(metrics, "baselines", baseline, "test"))
        for baseline in metrics.get("baselines") or {}
    ]
    rows = []
    for title, figures in measured:
        estimates = [metric.read(figures) for metric in METRICS]
        if any(estimates):
            rows.append([title, *(estimate.text_with_interval for estimate in estimates)])
    return ["", *(metric.title for metric in METRICS)], rows


def _split(metrics: Mapping[str, Any]) -> list[tuple[str, str]]:
    split = metrics.get("split") or {}
    facts = [("Split", str(split.get("kind", "unknown")).replace("_", " "))]
    if split.get("folds"):
        facts.append(("Folds", f"{split['folds']}, by customer"))
    for name in ("train", "validation", "test"):
        start, end = split.get(f"{name}_from"), split.get(f"{name}_to")
        rows = part(split, "rows", name)
        when = f", {date(start)} to {date(end)}" if start and end else ""
        facts.append((name.capitalize(), f"{integer(rows)} rows{when}"))
    if split.get("purge"):
        facts.append(("Purge", f"{duration(split['purge'])} before each later part"))
    return [*facts, ("Intervals", "95 %, resampled by customer")]


def _calibration(metrics: Mapping[str, Any], card: ModelCard, predictions: pd.DataFrame, name: str) -> CardSection:
    rows = predictions[(predictions["split"] == "test") & (predictions["model"] == name)]
    error = next(metric for metric in METRICS if metric.key == "ece").read(metrics["test"])
    facts = [
        ("Calibration error", error.text_with_interval),
        ("Sigmoid", f"slope {decimal(card.calibration['slope'])}, intercept {decimal(card.calibration['intercept'])}"),
        ("Risk bands", ", ".join(f"{band} from {percent(least)}" for band, least in card.risk_bands.items())),
    ]
    table = []
    if len(rows):
        bins = calibration_bins(rows["churned"].to_numpy(float), rows["probability"].to_numpy(float))
        table = [
            [integer(b.rows), percent(b.predicted), percent(b.observed), f"{percent(b.low)} to {percent(b.high)}"]
            for b in bins
        ]
    return CardSection("Calibration", facts, ["Test rows", "Predicted", "Observed", "95 % interval"], table)


def _outcome(definitions: Mapping[str, Any], card: ModelCard) -> list[tuple[str, str]]:
    facts = []
    for name, title in DEFINITIONS.items():
        value = definitions.get(name)
        if value is not None:
            values = value if isinstance(value, list | tuple) else [value]
            spans = name in ("horizon", "gap", "grace", "active_window")
            facts.append((title, ", ".join(duration(v) if spans else str(v) for v in values)))
    if card.label.get("span"):
        facts.append(("The label is known after", duration(card.label["span"])))
    return facts or [("Definition", "not stated")]


def _data(metrics: Mapping[str, Any], card: ModelCard) -> list[tuple[str, str]]:
    data, dataset, fitted = metrics["data"], metrics["dataset"], card.fitted_on
    times = f", {date(fitted['from'])} to {date(fitted['to'])}" if moment(fitted.get("from")) is not None else ""
    source = f"snapshot {dataset['snapshot']}" if dataset.get("snapshot") else "gold.gld_training_set"
    return [
        ("Rows", f"{counted(data['rows'], 'row')} of {counted(data['customers'], 'customer')}, from {source}"),
        ("Content SHA-256", str(dataset.get("sha256") or "not defined")),
        *([("Snapshot cutoff", date(dataset["cutoff"]))] if dataset.get("cutoff") else []),
        ("Fitted on", f"{counted(fitted['rows'], 'row')} of {counted(fitted['customers'], 'customer')}{times}"),
        ("Churned", f"{percent(data['base_rate'])} of all rows, {percent(card.base_rate)} of those fitted on"),
        ("Features", f"{integer(data['features'])} used of {integer(data['features_offered'])} offered"),
    ]


def _drivers(drivers: pd.DataFrame, card: ModelCard) -> CardSection:
    described = {column.name: column.description for column in card.columns}
    listed = drivers.head(LISTED_DRIVERS)
    table = [
        [str(feature), described.get(str(feature), ""), decimal(importance), EFFECTS[direction_kind(number(direction))]]
        for feature, importance, direction in zip(
            listed["feature"], listed["importance"], listed["direction"], strict=True
        )
    ]
    facts = [("Listed", f"the {len(table)} strongest of {len(drivers)} features, by mean absolute SHAP value")]
    return CardSection("Drivers", facts, ["Feature", "Description", "Log-odds", "Direction"], table)


def _leakage(metrics: Mapping[str, Any]) -> list[str]:
    leakage = metrics.get("leakage") or {}
    findings = leakage.get("findings") or []
    excluded = leakage.get("excluded") or []
    said = [f"Probed: {integer(leakage.get('looked_at'))} rows; {counted(len(findings), 'suspicious finding')}."]
    if excluded:
        said.append(f"Columns that no model uses: {', '.join(map(str, excluded))}.")
    for finding in findings[:LISTED]:
        because = f"; accepted because: {finding['accepted_because']}" if finding.get("accepted_because") else ""
        said.append(f"{finding.get('severity')} ({finding.get('decision')}): {finding.get('sentence')}{because}")
    return said


def _fairness(metrics: Mapping[str, Any], diagnosed: pd.DataFrame | None) -> CardSection:
    """Differences between groups as diagnosed; else as in the comparison with the champion."""
    from python_ml.diagnostics.fairness import ALL_GROUPS
    from python_ml.report.diagnostics_page import DIFFERENCE_TITLES

    if diagnosed is not None:
        rows = diagnosed[(diagnosed["group"] == ALL_GROUPS) & diagnosed["measure"].isin(DIFFERENCE_TITLES)]
        table = [
            [column, DIFFERENCE_TITLES[measure], decimal(value), f"{decimal(low)} to {decimal(high)}"]
            for column, measure, value, low, high in rows[
                ["sensitive_column", "measure", "value", "low", "high"]
            ].itertuples(index=False)
        ]
        facts = [("Measured", "on the test rows, by retention diagnose; groups are in gold.gld_fairness")]
        return CardSection("Fairness", facts, ["Column", "Difference between groups", "Value", "95 % interval"], table)
    measured = part(metrics, "registration", "comparison", "fairness") or {}
    if not measured:
        why = "Not measured: declare columns under fairness.sensitive in retention.yml, then run retention diagnose."
        return CardSection("Fairness", sentences=[why])
    table = [[name, decimal(gap["challenger"]), decimal(gap["champion"])] for name, gap in measured.items()]
    head = ["Column", "Gap of this version", "Gap of the version it was compared with"]
    return CardSection("Fairness", [("Measure", "equalised odds among the tenth at highest risk")], head, table)


def _diagnosed(fairness: pd.DataFrame | None, diagnostics: pd.DataFrame | None) -> list[CardSection]:
    """What is remarkable among the diagnostics of this version; no section where there are none."""
    from python_ml.report.diagnostics_page import remarks

    if diagnostics is None:
        return []
    found = [remark.text for remark in remarks(diagnostics, fairness)]
    return [CardSection("Diagnostics", sentences=found[:LISTED] or ["Nothing remarkable was found."])]


def _backtested(backtest: Mapping[str, Any] | None) -> list[CardSection]:
    """The champion's kind of model over all origins, beside what it is measured against."""
    names = [*(part(backtest, "models") or []), *(part(backtest, "baselines") or [])]
    if not names:
        return []
    origins = part(backtest, "origins") or []
    table = []
    for name in names:
        figures = part(backtest, "pooled", "figures", name)
        table.append([model_title(name), *(metric.read(figures).text_with_interval for metric in METRICS)])
    kind = str(part(backtest, "kind") or "").replace("_", " ")
    facts = [("Measured at", f"{counted(len(origins), 'origin')}, {kind}")]
    return [CardSection("Backtest", facts, ["", *(metric.title for metric in METRICS)], table)]


def _limits(metrics: Mapping[str, Any]) -> list[str]:
    warnings = [str(text) for text in metrics.get("warnings") or []]
    more = [f"And {len(warnings) - LISTED} more in metrics.json."] if len(warnings) > LISTED else []
    return [*warnings[:LISTED], *more, *_BLIND_SPOTS]


def _loading(registered_name: str, version: int) -> str:
    return (
        "import mlflow\n"
        'mlflow.set_tracking_uri("sqlite:///mlflow.db")  # in the project\'s folder, or your server\n'
        f'model = mlflow.pyfunc.load_model("models:/{registered_name}/{version}")  # or …@champion\n'
        "model.predict(frame)  # shape (n_rows, 2): probability of being retained, of churning"
    )


_MARKS = re.compile(r"([\\`*\[\]<>|#]|(?<![^\W_])_|_(?![^\W_]))")  # an underscore within a word is no mark


def _plain(text: Any) -> str:
    """Text in which nothing is a mark of markdown or HTML, on one line."""
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))
