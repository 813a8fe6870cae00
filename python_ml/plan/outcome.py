"""What churn means in a project: inactivity, the end of coverage, or a table with outcomes."""

from __future__ import annotations

from datetime import datetime, timedelta

from python_ml.errors import UserError
from python_ml.ingest import vocabulary
from python_ml.names import name_parts
from python_ml.plan.calendar import date_of
from python_ml.plan.labels import DECIDED, MOSTLY, choose_labels, meaning_of
from python_ml.plan.roles import Roles, is_one_row_per_customer
from python_ml.plan.schema import AsOf, EndDate, Inactivity, LabelTable, Options, OutcomeChoice
from python_ml.profile.row_times import LASTING
from python_ml.profile.schema import OutcomeColumn, Profile, TableProfile

SNAPSHOT_AT = "1970-01-01 00:00:00"  # stands for "no date": no report shows it as one
_SEEN = vocabulary.terms("as_of")
_RETURNED = vocabulary.terms("returned")
_CASE_ENDS = vocabulary.terms("case_ends")
SWITCH = "1d"  # a row that starts so soon after another ended is a change of plan; dates do not tell midnight from noon


def choose_outcome(profile: Profile, roles: Roles, options: Options, names: dict[str, dict[str, str]]) -> OutcomeChoice:
    """Decide what churn means.

    Parameters
    ----------
    profile : Profile
    roles : Roles
    options : Options
    names : dict of str to dict of str to str
        Name in bronze by source and safe name.

    Raises
    ------
    UserError
        When the wanted definition needs something that no file has.
    """
    outcome = next((o for o in profile.outcomes if o.is_given), None)
    if options.labels:
        return choose_labels(profile, roles, options, outcome, names[options.labels])
    spans = [t for t in profile.tables if _is_span(t, roles)]
    if options.churn == "supplied" and outcome is None:
        raise UserError(
            "No file says which customers churned.", where="--churn supplied", hint="add --labels PATH or --outcome COL"
        )
    if outcome is not None and options.churn in (None, "supplied"):
        table = profile.table(outcome.table)
        ended = _ending(table, outcome)
        # a date of churn makes coverage only where the row also has its start
        if options.churn is None and ended and table.time is not None and table.time.ended == ended:
            return _of_spans(table.name, f"`{table.column(ended).raw_name}` dates the outcome")
        return _table(profile, roles, options, outcome, names[outcome.table])
    if options.churn == "end_date" or (options.churn is None and not roles.activity and spans):
        return _end_date(profile, roles, spans)
    if not roles.activity:
        raise _no_events(profile, roles)
    if options.churn is None and any(t.name == roles.activity for t in spans):
        return _of_spans(roles.activity, "its rows have a start and an end")
    reviews = tuple(
        f"{t.name} has a start and an end in each row: with --churn end_date, a customer churns when coverage ends"
        for t in spans
    )
    events = roles.activity.replace("_", " ")
    reason = f"churned = none of the {events} in the label window"
    return OutcomeChoice(Inactivity(roles.activity), reason, reviews=reviews)


def _is_span(table: TableProfile, roles: Roles) -> bool:
    role = roles.tables[table.name]
    if table.time is None or not table.time.ended or role.use not in ("events", "attributes", "labels"):
        return False
    # a ticket that is closed ends nobody's coverage
    is_case = vocabulary.has_word(table.column(table.time.ended).raw_name, _CASE_ENDS) and not person_table(table.name)
    return bool(role.entity) and not is_case


def person_table(name: str) -> bool:
    """Whether a table lists customers or what covers them."""
    about = vocabulary.subject(name)
    return bool(about) and about[-1] in vocabulary.COVERING | vocabulary.PERSONS


def _ending(table: TableProfile, outcome: OutcomeColumn) -> str:
    """The time column that dates the outcome: filled in (nearly) only for churned rows; empty without one."""
    share = outcome.churned_rows / max(outcome.labelled_rows, 1)
    for measured in table.columns:
        column = measured.column
        is_named = column.kind == "time" and vocabulary.has_word(column.raw_name, DECIDED | vocabulary.ENDS)
        if is_named and column.fill_share < 0.98 and abs(column.fill_share - share) <= 0.1:
            return column.name
    return ""


def _of_spans(source: str, reason: str) -> OutcomeChoice:
    text = f"churned = coverage ends in the label window and is not continued; {reason}"
    return OutcomeChoice(EndDate(source, grace=SWITCH), text)


def _end_date(profile: Profile, roles: Roles, spans: list[TableProfile]) -> OutcomeChoice:
    """Coverage from spans, or from a table of departures."""
    if spans:
        best = max(spans, key=lambda t: (not vocabulary.has_word(t.name, vocabulary.OUTCOMES), t.rows))
        return _of_spans(best.name, f"from the start and the end of each row of {best.name}")
    dated = [t for t in profile.tables if t.time is not None]
    departures = [
        t
        for t in dated
        if roles.tables[t.name].use in ("events", "attributes")
        and (
            vocabulary.has_word(t.name, vocabulary.DEPARTURES)
            or vocabulary.has_word(t.column(t.time.column).raw_name, vocabulary.DEPARTURES | DECIDED)
        )
    ]
    if not departures:
        raise UserError(
            "No file says when coverage ends.",
            where="--churn end_date",
            hint="bring a table with a start and an end of each subscription, or one with the dates of departures",
        )
    source = departures[0].name
    others = [t.name for t in dated if t.name != source]
    returns = next((name for name in others if vocabulary.has_word(name, _RETURNED)), "")
    starts = next((n for n in others if n != returns and roles.tables[n].use == "attributes"), "")
    events = [n for n in (roles.activity, *roles.tables) if n and roles.tables[n].use == "events"]
    activity = "" if starts else next((n for n in events if n not in (source, returns)), "")
    if not starts and not activity:
        raise UserError(
            f"{source} has the dates of departures, but no file has the beginning of coverage.",
            where="--churn end_date",
            hint="bring a table of customers with their sign-up date, or a table of events",
        )
    reason = f"churned = a departure of {source} in the label window; coverage begins with {starts or activity}"
    return OutcomeChoice(EndDate(source, starts, activity, returns), reason)


def _table(
    profile: Profile, roles: Roles, options: Options, outcome: OutcomeColumn, names: dict[str, str]
) -> OutcomeChoice:
    """A table with one row per customer and an outcome."""
    table = profile.table(outcome.table)
    reviews = [outcome.warning] if outcome.warning else []
    shared = {
        "source": table.name,
        "label": names[outcome.column],
        "churned_values": outcome.churned,
        "raw_label": table.column(outcome.column).raw_name,
        "scores": "retained",
        "activity": roles.activity,
        "meaning": meaning_of(table, outcome),
    }
    reason = f"{shared['meaning']}: {outcome.reason}"
    if options.as_of:
        as_of = AsOf(
            "constant", value=date_of(options.as_of, "--as-of").isoformat(" "), text="the date given with --as-of"
        )
        why = "all rows are as of the date given with --as-of"
        label = LabelTable(**shared, as_of=as_of, scenario="static", scenario_reason=why)
        return OutcomeChoice(label, reason, "--outcome", tuple(reviews))
    scenario, why, as_of, known = _scenario(table, outcome, options, names)
    if as_of is None and roles.activity:
        last = profile.activities[roles.activity].last if roles.activity in profile.activities else None
        if last is not None:
            value = datetime.combine(last.date() + timedelta(days=1), datetime.min.time())
            as_of = AsOf("constant", value=value.isoformat(" "), text="the end of the events")
            reviews.append(
                f"{table.name} was taken to be as of the end of the events ({value:%Y-%m-%d}): give the date on which "
                "it was written with --as-of"
            )
    if as_of is None:
        as_of = AsOf("constant", value=SNAPSHOT_AT, is_snapshot=True, text="one snapshot")
    label = LabelTable(**shared, as_of=as_of, known=names.get(known, ""), scenario=scenario, scenario_reason=why)
    return OutcomeChoice(label, reason, "--outcome", tuple(reviews))


def _scenario(
    table: TableProfile, outcome: OutcomeColumn, options: Options, names: dict[str, str]
) -> tuple[str, str, AsOf | None, str]:
    """What is known of time: kind, reason, as-of time, and the column with the time of the outcome."""
    columns = [c.column for c in table.columns if c.column.name != outcome.column]
    times = [c for c in columns if c.kind == "time" and c.readable_share >= 0.5]
    lasting = [c for c in columns if c.kind == "number" and vocabulary.has_word(c.raw_name, LASTING)]
    if not times:
        reason = "no column holds dates or times"
        if lasting:
            reason += f"; `{lasting[0].raw_name}` is a duration without a date to count from"
        return "static", reason, None, ""
    whole = [c for c in times if c.readable_share >= MOSTLY and c.fill_share >= MOSTLY]
    known = next((c.name for c in whole if vocabulary.has_word(c.raw_name, DECIDED)), "")
    seen = next((c for c in whole if _is_seen(c.raw_name)), None)
    kind, as_of = "production", None
    if seen is not None:
        as_of = AsOf("column", names[seen.name], text=f"`{seen.raw_name}`")
    elif table.computed_times:
        kind, computed = "derived", table.computed_times[0]
        start, length = table.column(computed.start), table.column(computed.duration)
        text = f"`{start.raw_name}` + `{length.raw_name}` {computed.unit}s"
        as_of = AsOf("computed", names[start.name], names[length.name], computed.unit, text=text)
    if as_of is not None and known and (kind == "derived" or _follows(table, seen.name, known)):
        reason = f"features are as of {as_of.text}, and the outcome was known at `{table.column(known).raw_name}`"
        return kind, reason, as_of, known
    if as_of is not None and options.horizon is not None:
        return kind, f"features are as of {as_of.text}, and --horizon gives the length of the label window", as_of, ""
    dates = ", ".join(f"`{c.raw_name}`" for c in times)
    if as_of is not None:
        lacking = f"{as_of.text} gives the time of the features, but none gives that of the outcome (add --horizon)"
    elif known:
        lacking = (
            f"`{table.column(known).raw_name}` gives the time of the outcome, but none gives that of the other columns"
        )
    else:
        lacking = "none is the time at which the other columns were written or the outcome was decided"
    return "partial", f"there are dates ({dates}), but {lacking}", None, ""


def _is_seen(name: str) -> bool:
    parts = name_parts(name)
    return bool(set(parts) & _SEEN) or "as_of" in "_".join(parts)


def _follows(table: TableProfile, first: str, second: str) -> bool:
    pair = table.time_pair(first, second)
    return pair is not None and pair.both > 0 and (pair.ordered - pair.equal) / pair.both >= MOSTLY


def began(table: TableProfile) -> str:
    """Safe name of the earliest time of the customer, from which other dates can be counted; empty without one."""
    times = [c.column for c in table.columns if c.column.kind == "time" and c.column.readable_share >= 0.5]
    named = [c for c in times if vocabulary.has_word(c.raw_name, vocabulary.BEGINNINGS)] or times
    if not named:
        return ""

    def earlier(name: str) -> float:
        shares = [p.ordered_share for p in table.time_pairs if p.first == name]
        shares += [1 - p.ordered_share for p in table.time_pairs if p.second == name]
        return sum(shares)

    return max(named, key=lambda c: earlier(c.name)).name


def _no_events(profile: Profile, roles: Roles) -> UserError:
    """Why no file is a table of events, beginning with what is nearest to one."""
    for table in profile.tables:
        entity = roles.tables[table.name].entity
        if table.time is not None and entity and is_one_row_per_customer(table, entity):
            return UserError(
                f"This is not a table of events: nearly every `{table.column(entity).raw_name}` has a single row.",
                where=str(table.table.path),
                hint="bring a file with several dated rows per customer, such as orders, visits or usage; name the "
                "column with the outcome with --outcome; or name another customer with --entity",
            )
    for table in profile.tables:
        for measured in table.columns:
            column = measured.column
            half = column.times is not None and column.readable_share < MOSTLY
            if half or (column.kind == "text" and vocabulary.time_score(column.raw_name) >= 2):
                return unreadable_time(table, column.name)
    return UserError(
        "No file has a time column, so no activity is dated.",
        where=", ".join(str(t.table.path) for t in profile.tables),
        hint="bring a file of dated events (orders, visits, usage), or name its time with --time; columns: "
        f"{profile.tables[0].table.column_names}",
    )


def unreadable_time(table: TableProfile, name: str) -> UserError:
    """The error for a column that should be a time and cannot be read."""
    column = table.column(name)
    if column.times is None:
        what = f"The values of `{column.raw_name}` cannot be read as dates or times."
    else:
        examples = ", ".join(repr(value) for value, _ in column.times.unreadable)
        what = (
            f"Only {column.readable_share:.0%} of the values of `{column.raw_name}` are dates or times; not {examples}."
        )
    return UserError(
        what,
        where=f"{table.table.path}, column {column.raw_name}",
        hint="write them as 2024-01-31 or 2024-01-31 18:30:00, or name another column with --time",
    )
