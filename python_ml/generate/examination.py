"""Raw files opened, profiled and measured, as far as the plan of a project needs it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.generate.layout import RAW_FOLDER
from python_ml.generate.preview import SourceRows, preview_arrivals, preview_outcome, preview_sources
from python_ml.ingest import (
    DataArgument,
    RawTable,
    align_clocks,
    open_tables,
    scratch_connection,
    unknown_column,
    with_row_number,
)
from python_ml.plan import (
    Options,
    PlanFacts,
    Planned,
    ProjectPlan,
    Recommendations,
    gather_facts,
    locations,
    make_plan,
    project_name,
)
from python_ml.plan.calendar import (
    CalendarChoice,
    active_window,
    choose_calendar,
    days_of,
    feature_range,
    label_calendar,
    maturity_setting,
    scoring_settings,
)
from python_ml.plan.fold import fold_rows
from python_ml.plan.labels import label_column
from python_ml.plan.options import check_options
from python_ml.plan.roles import decide_roles
from python_ml.plan.schema import EndDate, LabelTable
from python_ml.plan.split import check_split, label_clock, label_reviews, split_dates, split_setting
from python_ml.profile import (
    Profile,
    count_at_risk,
    measure_activity,
    measure_delays,
    measure_labels,
    preview_inactivity,
    preview_spans,
    profile_tables,
    read_outcome,
)
from python_ml.profile.row_times import computed_times
from python_ml.profile.schema import Activity

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Examination:
    """Profiled raw files with the options of ``init``; all that is stored besides decisions.

    Attributes
    ----------
    profile : Profile
    options : Options
    calendar : CalendarChoice or None
    name, raw_dir : str
        dbt name of the project, and the folder of its raw files.
    paths : dict of str to str
        Path below ``raw_dir`` by source.
    """

    profile: Profile
    options: Options
    calendar: CalendarChoice | None
    name: str
    raw_dir: str
    paths: dict[str, str]

    @property
    def facts(self) -> PlanFacts:
        """What actions are proposed from."""
        return gather_facts(self.profile, self.options, self.calendar)

    def planned(self, recommendations: Recommendations) -> Planned:
        """The plan with the accepted recommendations."""
        return make_plan(self.facts, recommendations, self.name, self.raw_dir, self.paths)


def examine(
    arguments: Sequence[DataArgument],
    options: Options,
    folder: Path,
    *,
    labels: Path | None = None,
    probe: Callable | None = None,
    choose_positive: Callable[[Any], str | None] = lambda outcome: None,
    keep: Callable[[Profile], object] = lambda profile: None,
    converted: Path | None = None,
    progress: Callable[[str | None], None] = lambda message: None,
) -> Examination:
    """Open raw files, profile them, and measure what the plan needs.

    Parameters
    ----------
    arguments : sequence of DataArgument
    options : Options
    folder : Path
        Of the project, existing or not; gives its name, and the path from there to the raw files.
    labels : Path, optional
        File of labels.
    probe : callable, optional
        Leakage probe; see :func:`python_ml.profile.profile_tables`.
    choose_positive : callable
        Receives an outcome that requires review; its value that means churn, or None to keep the guess.
    keep : callable
        Receives the finished profile, such as to write its page.
    converted : Path, optional
        Folder for files that had to be converted to parquet; they are copied there.
    progress : callable

    Raises
    ------
    UserError
        When the files cannot make a project.
    """
    check_options(options, labels)
    with scratch_connection() as connection:
        progress("reading the files")
        times = [t for t in (options.time,) if t]
        given = {"encoding": options.encoding, "sheet": options.sheet, "day_first": options.day_first, "times": times}
        wanted = list(arguments)
        if labels is not None:
            wanted.append(replace(DataArgument.parse(str(labels)), name="supplied_labels"))
        tables = open_tables(connection, wanted, progress=progress, **given)
        if labels is not None:
            tables[-1] = align_clocks(connection, tables[-1], tables[:-1])
            options = replace(options, labels=tables[-1].name)
        options = replace(options, names=tuple(t.name for t in tables if t.name != options.labels))
        profile = _profiled(connection, tables, options, probe, progress)
        profile, options = _with_outcome(connection, profile, options, choose_positive)
        profile = _with_row_numbers(connection, profile, options)
        progress("measuring what becomes of the rows")
        raw_dir, paths = locations(profile, folder)
        examination = Examination(profile, options, None, project_name(folder), raw_dir, paths)
        examination = _measured(connection, examination)
        progress("drawing the profile")
        keep(examination.profile)
        if converted is not None:
            _copy_converted(examination.profile, converted)
        progress(None)
        return examination


def _profiled(
    connection: duckdb.DuckDBPyConnection, tables: list[RawTable], options: Options, probe, progress
) -> Profile:
    named = [(options.outcome, "--outcome"), (options.time, "--time")]
    for name, flag in (*named, *((name, "--exclude-columns") for name in options.exclude_columns)):
        if name is not None and not any(t.column(name) for t in tables):
            raise unknown_column(name, tables, flag)
    return profile_tables(
        connection,
        tables,
        relate=options.relate,
        exclude=options.exclude,
        time=options.time,
        outcome=options.outcome,
        positive=options.positive if options.outcome else None,
        probe=probe,
        progress=progress,
    )


def _with_outcome(
    connection: duckdb.DuckDBPyConnection, profile: Profile, options: Options, choose_positive
) -> tuple[Profile, Options]:
    """The profile with the outcome that the user named, or that of the file of labels."""
    if options.labels is not None:
        table = profile.table(options.labels)
        outcome = read_outcome(connection, table, label_column(table, options), options.positive)
        ones = ({"0", "1"}, {"false", "true"}, {"f", "t"})
        if not outcome.positive_is_retained and outcome.warning and set(outcome.counts) in ones:
            # in a file of labels, 1 means churn unless the name of the column says otherwise
            outcome = replace(outcome, warning="", reason=f"labels mean churn with {outcome.churned[0]!r}")
        others = tuple(replace(o, is_given=False) for o in profile.outcomes if o.table != options.labels)
        return replace(profile, outcomes=(replace(outcome, is_given=True), *others)), options
    given = next((o for o in profile.outcomes if o.is_given), None)
    if given is not None and given.warning and options.positive is None:
        positive = choose_positive(given)
        if positive is not None and positive not in given.churned:
            outcome = read_outcome(connection, profile.table(given.table), given.column, positive)
            outcome = replace(outcome, is_given=True, associations=given.associations)
            outcomes = tuple(outcome if o is given else o for o in profile.outcomes)
            agreements = tuple(a.reversed() if a.table == given.table else a for a in profile.agreements)
            profile = replace(profile, outcomes=outcomes, agreements=agreements)
            return profile, replace(options, positive=positive)
    return profile, options


def _with_row_numbers(connection: duckdb.DuckDBPyConnection, profile: Profile, options: Options) -> Profile:
    """Number the rows of the table with the outcome where it has no key of its own."""
    given = next((o for o in profile.outcomes if o.is_given), None)
    if given is None or options.labels or options.entity:
        return profile
    roles = decide_roles(profile, options)
    if not roles.customer.columns.get(given.table, "").startswith("row_number"):
        table = profile.table(given.table)
        computed = computed_times(connection, table.table)
        tables = tuple(replace(t, computed_times=computed) if t is table else t for t in profile.tables)
        return replace(profile, tables=tables)
    numbered = {
        t.name: replace(t, table=with_row_number(connection, t.table)) for t in profile.tables if t.name == given.table
    }
    return replace(profile, tables=tuple(numbered.get(t.name, t) for t in profile.tables))


def _measured(connection: duckdb.DuckDBPyConnection, examination: Examination) -> Examination:
    """Measure rows, activity and labels on the rows that bronze and silver will keep, then choose the calendar."""
    profile, options = examination.profile, examination.options
    facts = gather_facts(profile, options)
    plan = fold_rows(facts)
    relations = {t.name: t.table.relation for t in profile.tables}
    copies = {t.name: t.rows - t.different_rows for t in profile.tables}
    rows = preview_sources(connection, plan, relations, copies)
    profile = replace(profile, rows={name: made.counts for name, made in rows.items()})
    activities = _activities(connection, profile, plan, rows)
    profile = replace(profile, activities=activities)
    facts = gather_facts(profile, options)
    outcome = facts.choice.outcome
    if isinstance(outcome, LabelTable):
        profile, calendar = _label_calendar(connection, profile, plan, facts, rows)
    else:
        profile, calendar = _calendar(connection, profile, plan, facts, rows)
    return replace(examination, profile=profile, calendar=calendar)


def _activities(
    connection: duckdb.DuckDBPyConnection, profile: Profile, plan: ProjectPlan, rows: dict[str, SourceRows]
) -> dict[str, Activity]:
    made = {}
    for source in plan.sources:
        if source.use not in ("events", "spans") or not (source.entity and source.time):
            continue
        time = profile.table(source.name).time
        span = profile.table(source.name).profile_of(time.column).span if time and source.own_time else None
        end = span.end if span is not None and span.tail else None
        activity = measure_activity(connection, source.name, rows[source.name].activity, end)
        if activity is not None:
            made[source.name] = activity
    return made


def _calendar(
    connection: duckdb.DuckDBPyConnection,
    profile: Profile,
    plan: ProjectPlan,
    facts: PlanFacts,
    rows: dict[str, SourceRows],
) -> tuple[Profile, CalendarChoice]:
    """The calendar of inactivity and of coverage."""
    options, outcome = facts.options, facts.choice.outcome
    source = outcome.source if not isinstance(outcome, EndDate) or not outcome.activity else outcome.activity
    relation = rows[source].activity
    spans = preview_outcome(connection, plan) if isinstance(outcome, EndDate) else ""
    activity = profile.activities.get(source)
    if spans:
        ends = f"(select entity, started_at as event_at from {spans} union all select entity, ended_at from {spans})"
        activity = measure_activity(connection, source, ends) or activity
    if activity is None:
        raise UserError(
            "No row has both a customer and a time.",
            where=str(profile.table(source).table.path),
            hint="name other columns with --entity and --time",
        )
    maturity = maturity_setting(measure_delays(connection, preview_arrivals(plan, rows)), plan.source(source).events)
    lag = days_of(maturity.value, "maturity_lag")
    window = active_window(options, activity)
    start, end = feature_range(options, activity, lag)
    (at_risk,) = count_at_risk(connection, relation, start, end, [days_of(window, "active_window")])
    activity = replace(activity, at_risk={**activity.at_risk, window: at_risk})
    profile = replace(profile, activities={**profile.activities, source: activity})
    path = str(profile.table(source).table.path)
    calendar = choose_calendar(activity, options, path, covers=bool(spans), maturity=maturity)
    settings = {s.name: s.value for s in calendar.settings}
    horizon, gap = days_of(settings["horizon"], "horizon"), days_of(settings["gap"], "gap")
    if spans:
        grace = days_of(outcome.grace, "grace")
        moment = activity.last.date() - timedelta(days=horizon + gap + grace + lag)
        preview = preview_spans(connection, spans, moment, horizon, gap, grace)
    else:
        active = days_of(settings["active_window"], "active_window")
        last = activity.last.date() - timedelta(days=lag)
        preview = preview_inactivity(connection, relation, last, horizon, gap, active)
    reviews = (*calendar.reviews, *_preview_reviews(preview, bool(spans)))
    return replace(profile, preview=preview), replace(calendar, reviews=reviews)


def _preview_reviews(preview, covers: bool) -> list[str]:
    if preview is None:
        fix = "bring a longer history" if covers else "choose a longer --active-window"
        return [f"no customer is at risk at the last feature time with a known outcome: {fix}"]
    reviews = []
    if preview.customers < 200:
        reviews.append(f"only {preview.customers:,} customers are at risk: intervals will be wide")
    if not 0.02 <= preview.churn_rate <= 0.98:
        # Who is inactive for long enough counts as churned, so a longer horizon means fewer of them.
        length = "longer" if (preview.churn_rate > 0.5) != covers else "shorter"
        reviews.append(
            f"{preview.churn_rate:.1%} of the customers at risk count as churned: a {length} --horizon separates "
            "them better"
        )
    return reviews


def _label_calendar(
    connection: duckdb.DuckDBPyConnection,
    profile: Profile,
    plan: ProjectPlan,
    facts: PlanFacts,
    rows: dict[str, SourceRows],
) -> tuple[Profile, CalendarChoice]:
    """The calendar of supplied labels, or of a table with an outcome."""
    options, outcome = facts.options, facts.choice.outcome
    activity = profile.activities.get(outcome.activity)
    plan = replace(plan, outcome=outcome)
    relation = preview_outcome(connection, plan)
    labels = measure_labels(connection, outcome.source, relation, rows[outcome.activity].activity if activity else None)
    profile = replace(profile, labels=labels)
    facts = gather_facts(profile, options)
    outcome = facts.choice.outcome
    raw = {c.name: c.raw_name for c in facts.planned[outcome.source].columns}
    calendar = label_calendar(activity, labels, options, outcome.known, raw.get(outcome.known, ""))
    if not options.labels:
        kept = tuple(s for s in calendar.settings if s.name in ("windows", "horizon", "gap"))
        return profile, CalendarChoice(kept, ())
    settings, reviews = list(calendar.settings), list(calendar.reviews)
    if activity is not None:
        reviews += label_reviews(profile, outcome, activity, labels)
        settings += scoring_settings(activity, labels, options)[1]
    dates = split_dates(options, label_clock(profile, outcome, facts.names[outcome.source]))
    settings.append(split_setting(outcome, labels, dates))
    check_split(connection, profile, outcome, dates, settings)
    return profile, CalendarChoice(tuple(settings), tuple(reviews))


def _copy_converted(profile: Profile, folder: Path) -> None:
    """Keep the parquet files that stand for files which DuckDB cannot read in place."""
    for table in profile.tables:
        if table.table.converted is not None:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(table.table.converted, folder / f"{table.name}.parquet")


def examine_again(folder: Path, examination: Examination, **more: Any) -> Examination:
    """Examine the raw files of a project once more, with the same options."""
    root = Path(examination.raw_dir)
    root = root if root.is_absolute() else folder.resolve() / root
    options = examination.options
    arguments = [replace(DataArgument.parse(str(root / examination.paths[n])), name=n) for n in options.names]
    labels = None if options.labels is None else root / examination.paths[options.labels]
    again = examine(
        arguments, replace(options, labels=None), folder, labels=labels, converted=folder / RAW_FOLDER, **more
    )
    # Models keep their names when the folder has been renamed.
    return replace(again, name=examination.name, raw_dir=examination.raw_dir, paths=examination.paths)
