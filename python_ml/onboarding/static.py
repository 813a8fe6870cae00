"""Tables with a target and no events: one row per customer, every column as it stood in one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from python_ml import vocabulary
from python_ml.errors import UserError
from python_ml.leakage import CRITICAL, Leak, find_leaks
from python_ml.names import free_name, identifier
from python_ml.onboarding import detection, roles, static_traps, traps
from python_ml.onboarding.assembly import _locations
from python_ml.onboarding.detection import Finding
from python_ml.onboarding.examination import first_with
from python_ml.onboarding.scenario import SNAPSHOT_AT, Scenario, decide
from python_ml.onboarding.specification import ColumnSpec, Decision, ProjectSpec, SourceSpec
from python_ml.onboarding.static_features import Sample, StaticFeature, features_of, typed_sql
from python_ml.onboarding.target import TargetSpec, examine_target, is_whole_number, value_sql
from python_ml.warehouse import literal

if TYPE_CHECKING:
    import duckdb

    from python_ml.onboarding.detection import FileProfile
    from python_ml.onboarding.profiling import ColumnProfile

MOST_ROWS_PER_CUSTOMER = 1.05
BY_DEFAULT = "left out by default"
BY_REQUEST = "left out with --exclude-columns"


@dataclass(frozen=True)
class StaticSpec:
    """A project of a table with a target.

    Attributes
    ----------
    project : ProjectSpec
        Sources (the table first), decisions and what was found, as in every project.
    scenario : Scenario
    target : TargetSpec
    target_column : ColumnSpec
        The target in bronze.
    features : tuple of StaticFeature
        Columns of gold, whether a model may use them or not.
    leaks : tuple of Leak
        Suspicious columns, by their raw names.
    excluded : dict of str to str
        Features that models leave out (``features.exclude`` in ``retention.yml``), with the reason.
    """

    project: ProjectSpec
    scenario: Scenario
    target: TargetSpec
    target_column: ColumnSpec
    features: tuple[StaticFeature, ...]
    leaks: tuple[Leak, ...] = ()
    excluded: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> SourceSpec:
        """The source with the target."""
        return self.project.sources[0]

    @property
    def critical(self) -> list[Leak]:
        """Columns that are not believed."""
        return [leak for leak in self.leaks if leak.severity == CRITICAL]


def assemble_static(
    connection: duckdb.DuckDBPyConnection,
    profiles: list[FileProfile],
    folder: Path,
    target: str,
    *,
    positive: str | None = None,
    entity: str | None = None,
    horizon: str | None = None,
    exclude: Sequence[str] = (),
) -> StaticSpec:
    """Decide what becomes of a table with a target, and of other files beside it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
    profiles : list of FileProfile
    folder : Path
        Where the project will stand; gives its name.
    target : str
        Column that says who left; the first file that has it is the table.
    positive : str, optional
        The value of the target that means leaving.
    entity : str, optional
        Column that identifies customers, where the user names it.
    horizon : str, optional
        Length of the label window, for tables that have a feature time for each row.
    exclude : sequence of str
        Columns that models are to leave out.

    Raises
    ------
    UserError
        When no file has the target, it cannot be read, or no column identifies customers.
    """
    found = first_with(profiles, target, "--target")
    aim = examine_target(connection, found, found.column(target), positive)
    table = _with_entity(connection, found, aim, entity)
    scenario = decide(connection, table, aim.name, horizon)
    key = table.entity.column
    name = roles.entity_name(key)
    specs = _typed(connection, table, aim, name)
    features, specs = features_of(table, specs, scenario, aim.raw_name, table.name)
    if not features:
        raise UserError(
            "No column of the table can be a feature.",
            where=str(table.file.path),
            hint="bring a file with attributes of the customers; findings say why each column was left out",
        )
    entity_spec = next(s for s in specs if s.role == "entity")
    source = traps.count_rows(
        connection,
        table,
        SourceSpec(
            table.name,
            table.file,
            tuple(specs),
            "snapshot",
            f"one row per customer with the target `{aim.raw_name}`",
            entity=entity_spec,
            key=entity_spec,
            rows=table.file.rows,
            is_always_known=True,
            granularity="entity",
        ),
    )
    leaks = _leaks(connection, table, aim, specs, features)
    excluded = _excluded(table, features, leaks, exclude)
    if len(excluded) == len(features):
        raise UserError(
            "Every column that could be a feature is left out.",
            where=", ".join(sorted(excluded)),
            hint="keep some column, or bring a file with more attributes of the customers",
        )
    sources = [source, *(_stored(connection, p, found) for p in profiles if p is not found)]
    raw_dir, paths = _locations(folder, sources)
    risks = _risks(leaks)
    features = [_with_risk(feature, risks) for feature in features]
    project = ProjectSpec(
        name=identifier(folder.name, "project"),
        entity=name,
        raw_dir=raw_dir,
        paths=paths,
        sources=tuple(sources),
        windows=(),
        decisions=_decisions(table, name, aim, scenario),
        feature_sets=(("gld_customer_features", tuple(f.column for f in features)),),
        evidence={f"{table.name}.entity": (key.raw_name, *table.entity.evidence)},
        traps=tuple(static_traps.find(connection, table, source, specs, scenario, sources)),
        doubts=tuple(d for d in (table.entity.doubt, aim.doubt, static_traps.time_doubt(table, scenario)) if d),
    )
    return StaticSpec(
        project=project,
        scenario=scenario,
        target=aim,
        target_column=next(s for s in specs if s.raw_name == aim.raw_name),
        features=tuple(features),
        leaks=tuple(leaks),
        excluded=excluded,
    )


def _with_entity(
    connection: duckdb.DuckDBPyConnection, table: FileProfile, target: TargetSpec, named: str | None
) -> FileProfile:
    """The table with the column that identifies its customers, and without times of events."""
    candidates = _candidates(table, target, named)
    measured = [(column, detection.entity_facts(connection, table.view, column, None)) for column in candidates]
    single = [
        (c, facts)
        for c, facts in measured
        if facts.rows_per_value < MOST_ROWS_PER_CUSTOMER and facts.distinct >= detection.FEWEST_CUSTOMERS
    ]
    path = str(table.file.path)
    if not single:
        if measured and (named or vocabulary.person_score(measured[0][0].raw_name) >= 2):
            column, facts = measured[0]
            raise UserError(
                f"`{column.raw_name}` has {facts.rows_per_value:.1f} rows for each of its values: "
                "a table with a target has one row per customer.",
                where=f"{path}, column {column.raw_name}",
                hint="bring one row per customer, name another column with --entity, or leave out --target "
                "if the rows are dated events",
            )
        possible = ", ".join(c.raw_name for c in table.columns if c.kind in ("number", "text"))
        raise UserError(
            "No column identifies the customers: none is different in (nearly) every row and named like a key.",
            where=path,
            hint=f"name it with --entity, or add a column that numbers the customers; columns: {possible[:400]}",
        )
    column, facts = single[0]
    filled = column.filled
    evidence = [
        "named with --entity" if named else "its name says an identifier",
        f"{facts.distinct:,} different values in {filled:,} rows that have one",
    ]
    if filled < column.rows:
        evidence.append(f"missing in {column.rows - filled:,} of {column.rows:,} rows")
    finding = Finding(column, tuple(evidence), tuple(c.raw_name for c, _ in single[1:]))
    return replace(table, entity=finding, facts=facts, time=None, available=None)


def _candidates(table: FileProfile, target: TargetSpec, named: str | None) -> list[ColumnProfile]:
    """Columns that could identify customers, the best name first."""
    if named is not None:
        column = table.column(named)
        if column is None:
            raise UserError(
                f"The table with the target has no column `{named}`.",
                where=f"--entity, {table.file.path}",
                hint="choose one of " + ", ".join(c.raw_name for c in table.columns[:30]),
            )
        return [column]
    possible = [
        c
        for c in table.columns
        if c.raw_name != target.raw_name
        and vocabulary.person_score(c.raw_name) > 0
        and c.distinct > 0.8 * c.filled
        and (c.kind == "text" or (c.number is not None and c.number.is_integer))
    ]
    named_like_customers = [
        c for c in table.columns if c not in possible and vocabulary.person_score(c.raw_name) >= 3 and c.kind != "empty"
    ]
    possible.sort(key=lambda c: (-vocabulary.person_score(c.raw_name), -c.filled))
    return possible + named_like_customers


def _typed(
    connection: duckdb.DuckDBPyConnection, table: FileProfile, target: TargetSpec, entity: str
) -> list[ColumnSpec]:
    """Columns as bronze makes them: the target is text, whatever it looks like, since its values are compared."""
    specs = []
    used: set[str] = {entity}
    for spec in roles.column_specs(connection, table):
        if spec.role == "entity":
            used.add(spec.name)
            name = entity
        else:
            name = free_name(spec.name, used)
        spec = replace(spec, name=name)
        if spec.raw_name == target.raw_name:
            column = next(c for c in table.columns if c.raw_name == target.raw_name)
            spec = ColumnSpec(
                spec.raw_name,
                name,
                "nominal",
                "text",
                spec.physical_type,
                strip_point_zero=spec.physical_type == "VARCHAR" or is_whole_number(column),
                description=f"The target: {target.meaning}.",
                unused="it is the target",
                missing=spec.missing,
                distinct=len(target.counts),
            )
        specs.append(spec)
    return specs


def _leaks(
    connection: duckdb.DuckDBPyConnection,
    table: FileProfile,
    target: TargetSpec,
    specs: list[ColumnSpec],
    features: list[StaticFeature],
) -> list[Leak]:
    """Look at every column but keys and the target, whether it becomes a feature or not."""
    value = value_sql(next(c for c in table.columns if c.raw_name == target.raw_name))
    leaving = ", ".join(literal(v) for v in target.leaving)
    sample = Sample(
        connection, table, f"case when {value} in ({leaving}) then 1.0 when coalesce({value}, '') <> '' then 0.0 end"
    )
    by_origin = {c.raw_name: typed_sql(c) for c in table.columns}
    by_origin |= {f.origin: f.sql for f in features if f.column.data_type == "string"}
    skipped = {s.raw_name for s in specs if s.role in ("entity", "key", "empty")} | {target.raw_name}
    names = [raw for raw in by_origin if raw not in skipped]
    return find_leaks(names, lambda raw: sample.values(by_origin[raw]), sample.churned)


def _excluded(
    table: FileProfile, features: list[StaticFeature], leaks: list[Leak], wanted: Sequence[str]
) -> dict[str, str]:
    """Features that no model is to use: those the user names, and critical ones."""
    excluded: dict[str, str] = {}
    for name in wanted:
        column = table.column(name)
        if column is None:
            raise UserError(
                f"There is no column `{name}`.",
                where="--exclude-columns",
                hint="choose among " + ", ".join(c.raw_name for c in table.columns[:30]),
            )
        excluded |= {f.name: BY_REQUEST for f in features if f.origin == column.raw_name}
    for leak in leaks:
        if leak.severity == CRITICAL:
            for feature in features:
                if feature.origin == leak.column:
                    excluded.setdefault(feature.name, f"{BY_DEFAULT}: {'; '.join(leak.reasons)}")
    return excluded


def _risks(leaks: list[Leak]) -> dict[str, str]:
    return {leak.column: "high" if leak.severity == CRITICAL else "medium" for leak in leaks}


def _with_risk(feature: StaticFeature, risks: dict[str, str]) -> StaticFeature:
    risk = risks.get(feature.origin, "low")
    return replace(feature, column=replace(feature.column, meta={**feature.column.meta, "leakage_risk": risk}))


def _stored(connection: duckdb.DuckDBPyConnection, profile: FileProfile, table: FileProfile) -> SourceSpec:
    """A file beside the table: kept in bronze only, since nothing tells which of its rows came before the outcome."""
    reason = f"it does not hold the target, and nothing says which of its rows came before the snapshot of {table.name}"
    alone = replace(profile, entity=None, facts=None, time=None, available=None)
    specs = [replace(s, unused=s.unused or reason) for s in roles.column_specs(connection, alone)]
    return SourceSpec(
        profile.name, profile.file, tuple(specs), "stored", reason, rows=profile.file.rows, is_always_known=True
    )


def _decisions(table: FileProfile, entity: str, target: TargetSpec, scenario: Scenario) -> tuple[Decision, ...]:
    found = [
        Decision("entity", entity, "; ".join(table.entity.evidence), "--entity"),
        Decision("scenario", scenario.kind, scenario.reason),
        Decision("target", target.name, target.meaning, "--target"),
        Decision("churned_values", ", ".join(target.leaving), target.evidence, "--positive"),
    ]
    if scenario.is_snapshot:
        found.append(Decision("snapshot_at", SNAPSHOT_AT, "stands in for a feature time; it is no date of the data"))
    elif scenario.horizon is not None:
        found.append(Decision("horizon", scenario.horizon, "length of the label window, as told", "--horizon", True))
    return tuple(found)
