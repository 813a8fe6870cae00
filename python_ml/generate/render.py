"""Every file of a project, from its plan: one set of templates for all kinds of outcomes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from python_ml import __version__
from python_ml.generate import descriptions, pages
from python_ml.generate.bronze import bronze_model, output_columns
from python_ml.generate.findings import findings_yaml
from python_ml.generate.links import linked_model
from python_ml.generate.sources import declared
from python_ml.generate.text import environment, names_in
from python_ml.names import comment_text, free_name, jinja_string
from python_ml.plan.schema import EndDate, Inactivity, LabelTable, ProjectPlan, SourcePlan

if TYPE_CHECKING:
    from python_ml.profile.schema import Profile

SPLIT_COLUMN = "supplied_split"  # in silver and in the training set

_MODELS = (
    "bronze/brz_row_counts.sql",
    "bronze/_bronze__models.yml",
    "silver/slv_observation_period.sql",
    "silver/slv_spine.sql",
    "silver/_silver__models.yml",
    "gold/gld_churn_labels.sql",
    "gold/gld_customer_features.sql",
    "gold/gld_training_set.sql",
    "gold/gld_scoring_set.sql",
    "gold/gld_churn_scores_raw.py",
    "gold/gld_churn_scores.sql",
    "gold/gld_churn_reasons_raw.py",
    "gold/gld_churn_reasons.sql",
    "gold/gld_retention_actions_raw.py",
    "gold/without_python/gld_churn_scores_raw.sql",
    "gold/without_python/gld_churn_reasons_raw.sql",
    "gold/without_python/gld_retention_actions_raw.sql",
    "gold/gld_retention_actions.sql",
    "gold/_gold__findings.yml",
    "gold/_gold__survival.yml",
    "gold/_gold__explanations.yml",
    "gold/_gold__promotions.yml",
    "gold/_gold__backtests.yml",
    "gold/_gold__drift.yml",
    "gold/_gold__performance.yml",
    "gold/_gold__retraining.yml",
    "gold/_gold__rehearsal.yml",
    "gold/_gold__uplift.yml",
    "gold/_gold__features.yml",
    "gold/_gold__scores.yml",
    "gold/_gold__actions.yml",
)
_PROJECT = {
    "dbt_project.yml": "dbt_project.yml",
    "profiles.yml": "profiles.yml",
    "packages.yml": "packages.yml",
    "selectors.yml": "selectors.yml",
    "retention.yml": "retention.yml",
    ".gitignore": "gitignore",
    ".sqlfluff": "sqlfluff",
    ".sqlfluffignore": "sqlfluffignore",
    "macros/generate_schema_name.sql": "generate_schema_name.sql",
    "tests/singular/assert_no_raw_row_is_lost.sql": "assert_no_raw_row_is_lost.sql",
}


class Renderer:
    """Templates with what all of them share; :meth:`text` fills one in."""

    def __init__(self, plan: ProjectPlan) -> None:
        self._environment = environment()
        outcome = plan.outcome
        by_name = {source.name: source for source in plan.sources}
        used = {"spine", "final"}
        activity = outcome.source if isinstance(outcome, Inactivity) else outcome.activity
        owners = {made.model: source for source in plan.sources for made in source.feature_sets}
        self._shared: dict[str, Any] = {
            "plan": plan,
            "project": plan.name,
            "version": __version__,
            "entity": plan.entity,
            "outcome": outcome,
            "sources": plan.sources,
            "activity": by_name.get(activity),
            "split_column": SPLIT_COLUMN,
            "has_split": isinstance(outcome, LabelTable) and bool(outcome.split),
            "split_dates": _split_dates(plan.setting("split")),
            "is_dateless": descriptions.is_dateless(plan),
            "texts": descriptions.texts(plan),
            "observed": _observed(plan),
            "feature_sets": [
                {
                    "model": made.model,
                    "alias": free_name(made.alias, used),
                    "description": descriptions.feature_set_text(made.model, owners[made.model]),
                    "fingerprint": ""
                    if made.model == f"slv_{owners[made.model].name}_attributes"
                    else f"{made.alias}_fingerprint",
                }
                for made in plan.feature_sets
            ],
            "linked": [descriptions.linked_entry(plan, source) for source in plan.linked],
            "with_texts": [descriptions.text_entry(plan, source) for source in plan.sources if source.texts],
        }
        if isinstance(outcome, EndDate):
            self._shared |= {
                "spans": by_name[outcome.source],
                "starts": by_name.get(outcome.starts),
                "returns": by_name.get(outcome.returns),
            }
        if isinstance(outcome, LabelTable):
            source = by_name[outcome.source]
            title, as_of = comment_text(source.file), as_of_sql(outcome)
            self._shared["labels"] = {"title": title, "model": plan.model(source), "as_of": as_of}

    def text(self, template: str, **context: Any) -> str:
        """A filled-in template, without blank lines around it."""
        made = self._environment.get_template(template).render({**self._shared, **context})
        return made.strip("\n") + "\n"


def render(plan: ProjectPlan, profile: Profile | None = None, recommendations: Iterable[Any] = ()) -> dict[str, str]:
    """Render every file of a project.

    Parameters
    ----------
    plan : ProjectPlan
    profile : Profile, optional
        Facts for the pages.
    recommendations : iterable
        Objects with id, layer, table, status, reason and note, for ``docs/pipeline.md``.

    Returns
    -------
    dict of str to str
        Text by path relative to the project.
    """
    renderer = Renderer(plan)
    files = {path: renderer.text(f"project/{template}") for path, template in _PROJECT.items()}
    files |= {f"models/{path}": renderer.text(path) for path in _MODELS}
    folder = f"models/bronze/{plan.name}"
    files[f"{folder}/_{plan.name}__sources.yml"] = renderer.text(
        "bronze/_sources.yml", described=[declared(plan, source) for source in plan.sources]
    )
    files[f"{folder}/_{plan.name}__models.yml"] = renderer.text(
        "bronze/_models.yml", described=[descriptions.bronze_entry(source) for source in plan.sources]
    )
    if isinstance(plan.outcome, LabelTable):
        files["models/silver/slv_labels.sql"] = renderer.text("silver/slv_labels.sql")
    if isinstance(plan.outcome, EndDate):
        files["models/silver/slv_coverage.sql"] = renderer.text("silver/slv_coverage.sql")
    if plan.linked:
        files["models/silver/slv_link_counts.sql"] = renderer.text("silver/slv_link_counts.sql")
    for source in plan.sources:
        files |= {f"models/{path}": text for path, text in _source_models(renderer, plan, source)}
    files["README.md"] = pages.readme(renderer, plan, profile)
    files["docs/pipeline.md"] = pages.pipeline(renderer, plan, recommendations)
    files["findings.yaml"] = findings_yaml(plan, profile)
    return files


def checked_model(renderer: Renderer, source: SourcePlan) -> str:
    """The model that types and checks the rows of a source."""
    return renderer.text("bronze/checked.sql", source=source, model=bronze_model(source))


def linked_rows_model(renderer: Renderer, plan: ProjectPlan, source: SourcePlan) -> str:
    """The model that gives the rows of a source columns of others."""
    return renderer.text("silver/linked.sql", source=source, model=linked_model(plan, source))


def _source_models(renderer: Renderer, plan: ProjectPlan, source: SourcePlan) -> Iterator[tuple[str, str]]:
    stem = f"bronze/{plan.name}/brz_{plan.name}__{source.name}"
    model = bronze_model(source)
    yield f"{stem}__checked.sql", checked_model(renderer, source)
    yield f"{stem}.sql", renderer.text("bronze/kept.sql", source=source, model=model)
    yield f"{stem}__quarantine.sql", renderer.text("bronze/quarantine.sql", source=source)
    if source.links:
        linked = linked_model(plan, source)
        yield f"silver/slv_{source.name}__linked.sql", linked_rows_model(renderer, plan, source)
        yield f"silver/slv_{source.name}.sql", renderer.text("silver/linked_kept.sql", source=source, model=linked)
        yield f"silver/slv_{source.name}__quarantine.sql", renderer.text("silver/linked_quarantine.sql", source=source)
    for text in source.texts:
        path = f"silver/{text.model(source.name)}.py"
        known_at = _known_at(plan, source)
        yield path, renderer.text("silver/texts.py.jinja", source=source, text=text, known_at=known_at)
        path = f"silver/without_python/{text.model(source.name)}.sql"
        yield path, renderer.text("silver/texts_without_python.sql", source=source, text=text)
    if source.texts:
        used = {"final"}
        steps = [free_name(f"with_{text.column}", used) for text in source.texts]
        path = f"silver/{plan.rows_with_texts(source)}.sql"
        yield path, renderer.text("silver/with_texts.sql", source=source, steps=steps)
    for made in source.feature_sets:
        path = f"silver/{made.model}.sql"
        if made.model == f"slv_{source.name}_attributes":
            yield path, renderer.text("silver/attributes.sql", source=source, model=_attributes(plan, source))
            continue
        is_reversed = source.reversal is not None and made.alias == source.reversal.name
        yield (
            path,
            renderer.text(
                "silver/windows.sql",
                source=source,
                name=made.alias,
                events=made.alias.replace("_", " ") if is_reversed else source.events,
                measures=source.reversal.measures if is_reversed else source.measures,
                texts=() if is_reversed else source.texts,
                shifts=() if is_reversed else [text for text in source.texts if text.has_shift],
                rhythm=() if is_reversed else source.rhythm,
                where="is_reversal" if is_reversed else "not is_reversal" if source.reversal else "",
            ),
        )


def _known_at(plan: ProjectPlan, source: SourcePlan) -> list[str]:
    """Columns whose latest time says when a text was known; none where the rows have no time."""
    outcome = plan.outcome
    if isinstance(outcome, LabelTable) and outcome.source == source.name and outcome.as_of.column:
        return [outcome.as_of.column]
    return [name for name in dict.fromkeys((source.time, source.available_at)) if name]


def as_of_sql(outcome: LabelTable) -> str:
    """When a row of the table with labels was looked at, as SQL with Jinja."""
    as_of = outcome.as_of
    if as_of.kind == "column":
        return as_of.column
    if as_of.kind == "constant":
        return "{{ customer_retention.timestamp_literal(var('snapshot_at'), 'snapshot_at') }}"
    length = jinja_string(f"cast({as_of.duration} as integer)")
    return f"{{{{ dbt.dateadd({jinja_string(as_of.unit)}, {length}, {jinja_string(as_of.column)}) }}}}"


def _attributes(plan: ProjectPlan, source: SourcePlan) -> dict[str, Any]:
    """What the template of a model of attributes needs: only columns that some expression uses."""
    outcome, brought = plan.outcome, [b.name for link in source.links for b in link.brings]
    used = names_in(*(a.expression for a in source.attributes)) - {plan.entity}
    said = [name for text in source.texts for name in text.names]
    names = [n for n in (*output_columns(source), *brought, *said) if n in used]
    is_labels = isinstance(outcome, LabelTable) and outcome.source == source.name
    as_of = as_of_sql(outcome) if is_labels else ""
    partition = [plan.entity, *([as_of] if as_of and outcome.as_of.kind != "constant" else [])]
    # The join asks when a row was known, whether or not a feature does.
    times = () if as_of or not source.time else (source.time, source.available_at)
    return {
        "title": comment_text(source.file),
        "when": ", as they were known at the feature time" if source.use == "history" else "",
        "alias": free_name(source.name, {"spine", "joined", "final"}),
        "columns": names,
        "read": list(dict.fromkeys((*names, *filter(None, times)))),
        "as_of": as_of,
        "partition": partition,
        # Bronze holds the key to be unique; without one, rows must not multiply those of the spine.
        "needs_rank": not source.key or not set(source.key) <= {plan.entity, *partition[1:]} or bool(source.superseded),
        "order": ([source.superseded + " is not null"] if source.superseded else []) + names,
    }


def _split_dates(split: str) -> dict[str, str]:
    """Where validation and test begin, by part; empty where no dates were given."""
    dates = dict(re.findall(r"(validation|test) from (\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?)", split))
    known = {part: date.removesuffix(" 00:00:00") for part, date in dates.items()}
    return {"validation": "", "test": "", **known} if known else {}


def _observed(plan: ProjectPlan) -> dict[str, Any]:
    """What decides up to when the data is complete."""
    outcome = plan.outcome
    if isinstance(outcome, EndDate):
        sources = [s for s in plan.sources if s.entity and s.time and s.use != "stored"]
    else:
        name = outcome.source if isinstance(outcome, Inactivity) else outcome.activity
        sources = [s for s in plan.sources if s.name == name]
    observed = [{"model": plan.model(s), "time": s.time, "available": s.available_at} for s in sources]
    if isinstance(outcome, EndDate) and not outcome.is_departures:
        spans = plan.source(outcome.source)
        observed.append({"model": plan.model(spans), "time": spans.ended_available or spans.ended, "available": ""})
    return {
        "sources": observed,
        "is_activity": isinstance(outcome, Inactivity),
        "has_labels": isinstance(outcome, LabelTable),
        "events": sources[0].events if sources else "",
    }
