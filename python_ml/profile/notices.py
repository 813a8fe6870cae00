"""Notices about the data, one sentence each, derived from the facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median

from python_ml.ingest.personal import PERSONAL
from python_ml.ingest.vocabulary import is_key_name
from python_ml.names import comment_text
from python_ml.profile.schema import ColumnProfile, Level, Notice, OutcomeColumn, Profile, TableProfile
from python_ml.profile.tables import plain

_LEVELS: tuple[Level, ...] = ("critical", "warning", "note")
OUTSTANDING = 0.1  # share of rows from which one value of an identifier stands out
FEW_EVENTS = 10  # rows of the rarer outcome per column, below which a model has little to learn from


def notices(profile: Profile) -> tuple[Notice, ...]:
    """Derive the notices of a profile, the critical ones first."""
    noted = [notice for table in profile.tables for notice in _of_table(table)]
    for table in profile.tables:
        for outcome in (o for o in profile.outcomes if o.table == table.name):
            noted += _of_outcome(table, outcome)
    noted += [
        Notice("warning", "relation", text.split("` of ")[-1].split(" ")[0], text) for text in profile.refused_relations
    ]
    for relation in profile.relations:
        if relation.cardinality != "n:m" and relation.inclusion < 0.9:
            columns = " + ".join(relation.child_columns)
            text = (
                f"only {relation.inclusion:.0%} of the values of {columns} exist in {relation.parent}: "
                f"{relation.rows - relation.rows_matched:,} rows point at nothing"
            )
            noted.append(Notice("warning", "relation", relation.child, text, columns))
    for agreement in (a for a in profile.agreements if a.agreed < a.compared):
        level: Level = "critical" if agreement.share < 0.9 else "warning"
        noted.append(Notice(level, "two outcomes", agreement.table, agreement.text, agreement.raw_name))
    for violation in profile.order_violations:
        level = "critical" if violation.share >= 0.1 else "warning"
        noted.append(Notice(level, "order of times", violation.table, violation.text, violation.time))
    return tuple(sorted(noted, key=lambda notice: _LEVELS.index(notice.level)))


def _of_table(table: TableProfile) -> Iterator[Notice]:
    name, rows = table.name, table.rows
    for note in table.table.notes:
        yield Notice("note", "reading", name, comment_text(note))
    for reason, count in table.table.rejected.items():
        yield Notice("warning", "rejected lines", name, f"{count:,} lines are no rows: {reason}")
    if copies := rows - table.different_rows:
        yield Notice("warning", "duplicate rows", name, f"{copies:,} of {rows:,} rows are exact copies of another")
    for key in table.keys:
        if key.distinct != table.different_rows:
            missing = f" and {rows - key.rows:,} rows have none" if key.rows < rows else ""
            text = f"nearly a key, but {key.copies:,} rows repeat a value{missing}"
            yield Notice("warning", "repeated identifier", name, text, key.columns[0])
    for facts in table.identifiers:
        first = facts.top[0] if facts.top else None
        rest = facts.top[1].rows if len(facts.top) > 1 else 0
        if first and facts.person >= 2 and facts.distinct > 10 and first.rows > max(OUTSTANDING * facts.rows, 3 * rest):
            text = f"'{first.value}' stands in {first.rows / facts.rows:.0%} of the rows: it may not be a customer"
            yield Notice("warning", "outstanding value", name, text, facts.column)
    if table.shifted_copies:
        shifted = table.shifted_copies
        years = shifted.days / 365.25
        about = f" (about {years:.0f} years)" if abs(years - round(years)) < 0.02 and years > 0.5 else ""
        text = (
            f"{shifted.rows:,} rows ({shifted.rows / rows:.0%}) equal an earlier one in {len(shifted.compared)} "
            f"columns, with all times {shifted.days:,} days later{about}: the same customer may be "
            "on both sides of any split"
        )
        yield Notice("critical", "shifted copies", name, text)
    if table.totals:
        yield Notice("critical", "totals", name, table.totals.reason)
    if table.versions:
        versions = table.versions
        text = (
            f"{versions.several:,} of {versions.keys:,} values of `{versions.key}` have several rows that differ in "
            f"`{versions.changed_at}`: they are versions of one row"
        )
        yield Notice("warning", "versions", name, text, versions.key)
    for column, (count, examples) in table.odd_codes.items():
        text = f"{count:,} rows have a code without a digit, unlike the others: {', '.join(map(_shown, examples))}"
        yield Notice("note", "odd codes", name, text, column)
    for first_column, second, correlation in table.correlated:
        text = f"it contains the same information as `{second}` (correlation {correlation:.3f})"
        yield Notice("note", "correlated columns", name, text, first_column)
    yield from _of_timeline(table)
    for column in table.columns:
        yield from (
            Notice(level, topic, name, text, column.column.raw_name) for level, topic, text in _of_column(column)
        )
    spellings = Counter(column.column.raw_name.lower() for column in table.columns)
    for spelling, count in spellings.items():
        if count > 1:
            yield Notice("note", "column names", name, f"{count} columns have this name up to case", spelling)


def _of_timeline(table: TableProfile) -> Iterator[Notice]:
    timeline = table.timeline
    if timeline is None:
        return
    for gap in timeline.gaps:
        text = f"no rows for {gap.days:,} days, from {gap.first} to {gap.last}"
        yield Notice("warning", "gap in time", table.name, text, timeline.column)
    inner = timeline.periods[1:-1]
    if timeline.unit == "month" and len(inner) >= 6:
        usual = median(period.rows for period in inner)
        thin = [period for period in inner if period.rows < 0.2 * usual]
        if thin:
            months = ", ".join(f"{period.start:%Y-%m}" for period in thin[:4])
            text = f"{len(thin)} months have less than a fifth of the usual rows ({months})"
            yield Notice("note", "thin months", table.name, text, timeline.column)
    span = table.profile_of(timeline.column).span
    if span and span.tail:
        text = f"{span.tail:,} rows are later than {span.end:%Y-%m-%d}, the end of the data, up to {span.last:%Y-%m-%d}"
        yield Notice("note", "thin tail", table.name, text, timeline.column)


def _of_column(profile: ColumnProfile) -> Iterator[tuple[Level, str, str]]:
    column, numbers, times = profile.column, profile.column.numbers, profile.column.times
    is_key = column.semantic == "identifier"
    if column.semantic == "empty":
        yield "note", "empty column", "no row has a value"
    elif column.semantic == "constant" and column.filled == column.rows:
        yield "note", "constant column", "all rows have the same value: it explains nothing"
    elif column.fill_share < 0.5:
        yield "note", "mostly missing", f"{1 - column.fill_share:.1%} of the rows have no value"
    for sentinel in profile.sentinels:
        what = f"{_shown(sentinel.value)} in {sentinel.rows:,} rows: {sentinel.why}"
        yield "warning", "sentinel value", f"{what}; it may stand for a missing value"
    if times and times.is_ambiguous:
        yield "warning", "order of day and month", "no value shows whether the day or the month comes first"
    if len(column.reading.formats) > 1:
        yield "warning", "mixed formats", "written as " + " and ".join(column.reading.formats)
    unreadable = column.filled - column.readable
    if unreadable and column.kind in ("time", "number", "duration"):
        values = unreadable_values(profile)
        examples = f", such as {values}" if values else ""
        level: Level = "note" if is_key else "warning"
        yield level, f"not a {column.kind}", f"{unreadable:,} values cannot be read as a {column.kind}{examples}"
    if profile.span and profile.span.implausible and not profile.sentinels:
        yield "warning", "implausible times", f"{profile.span.implausible:,} times are years away from all others"
    if profile.distribution and profile.distribution.is_zero_inflated and numbers and not is_key:
        share = numbers.zeros / numbers.readable
        yield "note", "zero inflation", f"{share:.0%} of the values are zero: whether and how much are two questions"
    texts_facts = profile.texts
    if texts_facts and column.semantic not in PERSONAL:
        if texts_facts.has_mixed_shapes:
            shapes = ", ".join(_shown(shape.value) for shape in texts_facts.shapes[:3])
            yield "note", "mixed formats", f"values have several shapes: {shapes}"
        if texts_facts.case_groups and column.semantic != "text":
            examples = ", ".join(map(_shown, texts_facts.case_examples))
            yield (
                "warning",
                "case variants",
                f"{texts_facts.case_groups:,} values are written in several cases: {examples}",
            )
        if texts_facts.padded_rows:
            yield "note", "blanks around values", f"{texts_facts.padded_rows:,} values begin or end with a blank"
    if column.semantic in PERSONAL:
        yield "warning", "personal data", f"{column.because}; its values are not shown, and no feature is made of it"
    elif column.personal and column.distinct > 20:
        yield "note", "personal data", f"perhaps: its name or values suggest {column.personal}"


def unreadable_values(profile: ColumnProfile) -> str:
    """Up to three values that cannot be read as what their column is, and how often; empty where none may be shown."""
    if profile.column.semantic in PERSONAL:
        return ""
    distribution, times = profile.distribution, profile.column.times
    values = [(v.value, v.rows) for v in distribution.unreadable] if distribution else []
    values = values or (list(times.unreadable) if times else [])
    return ", ".join(f"{_shown(value)} {'once' if rows == 1 else f'{rows:,} times'}" for value, rows in values[:3])


def _shown(value: str) -> str:
    return f"'{comment_text(value)}'"


def _of_outcome(table: TableProfile, outcome: OutcomeColumn) -> Iterator[Notice]:
    name = outcome.column
    if outcome.warning:
        level: Level = "critical" if outcome.positive_is_retained else "warning"
        yield Notice(level, "meaning of the outcome", table.name, outcome.warning, name)
    for association in outcome.associations:
        if association.leak:
            level = "critical" if association.leak == "critical" else "warning"
            text = f"it probably knows `{name}` already: {'; '.join(association.leak_reasons)}"
            yield Notice(level, "leak", table.name, text, association.column)
    rarer = min(outcome.churned_rows, outcome.labelled_rows - outcome.churned_rows)
    used = len(outcome.associations)
    if used and rarer < FEW_EVENTS * used:
        text = f"{rarer:,} rows of the rarer outcome for {used} columns: choose, regularise, or collect more"
        yield Notice("warning", "few outcomes", table.name, text, name)
    if used and not any(_is_beyond_chance(a.measure, a.value, a.interval) for a in outcome.associations):
        text = f"no column goes together with `{name}` beyond chance: expect an AUC near 0.5"
        yield Notice("warning", "no signal", table.name, text, name)


def _is_beyond_chance(measure: str, value: float, interval) -> bool:
    """Whether an association is beyond what the best of many columns would reach by chance."""
    if measure == "cramers_v":
        return value > 0.1
    reach = 1.5 * (interval.high - interval.low) / 2 if interval else 0.0
    return abs(value - 0.5) > max(reach, 0.02)


def summary(profile: Profile) -> str:
    """Write a profile for a terminal: each table in a few lines, then the notices."""
    lines: list[str] = []
    for table in profile.tables:
        lines += [*_table_lines(profile, table), ""]
    noted = notices(profile)
    lines += ["Look at:"] if noted else ["Nothing stands out."]
    for notice in noted[:25]:
        place = f"{notice.table}.{notice.column}" if notice.column else notice.table
        lines.append(f"  {notice.level:<8}  {comment_text(place)}: {comment_text(notice.text)}")
    if len(noted) > 25:
        lines.append(f"  and {len(noted) - 25:,} more on the page")
    return "\n".join(lines)


def _table_lines(profile: Profile, table: TableProfile) -> Iterator[str]:
    yield f"{table.name}  ({comment_text(table.table.path.name)}): {table.rows:,} rows, {len(table.columns):,} columns"
    if table.keys:
        yield f"  key        {', '.join(' + '.join(key.columns) for key in table.keys[:4])}"
    for facts in [f for f in table.identifiers if f.person >= 2 or is_key_name(f.column)][:3]:
        days = f", {facts.several_days:.0%} on several days" if facts.several_days is not None else ""
        yield f"  identifier {facts.column}: {facts.distinct:,} values, {facts.rows_per_value:.1f} rows each{days}"
    if table.time and table.timeline:
        course = table.timeline
        yield f"  time       {table.time.column}, {course.first} to {course.last}; {course.trend}"
        yield f"             {course.season}; {course.weekday}"
        if table.time.available:
            yield f"  known at   {table.time.available}: {table.time.available_reason}"
    for relation in (r for r in profile.relations if r.child == table.name):
        child, parent = " + ".join(relation.child_columns), " + ".join(relation.parent_columns)
        yield f"  relation   {child} -> {relation.parent}.{parent} ({relation.cardinality}, {relation.inclusion:.1%})"
    if table.sampled_rows:
        yield f"  sample     quantiles, shapes and associations come from {table.sampled_rows:,} rows"
    wide = min(max((len(c.column.name) for c in table.columns[:40]), default=0), 30)
    for column in table.columns[:40]:
        yield f"    {column.column.name[:30]:<{wide}}  {column.column.semantic:<16}  {_column_line(column)}"
    if len(table.columns) > 40:
        yield f"    and {len(table.columns) - 40:,} more columns on the page"
    for outcome in (o for o in profile.outcomes if o.table == table.name):
        yield (
            f"  outcome    {outcome.column} = {' or '.join(map(comment_text, outcome.churned))}: "
            f"{outcome.churned_rows / max(outcome.labelled_rows, 1):.1%} of {outcome.labelled_rows:,} rows churned"
        )
        for association in outcome.associations[:8]:
            figure = f"Cramer's V {association.value:.3f}"
            if association.interval:
                figure = (
                    f"AUC {association.value:.3f} ({association.interval.low:.3f} to {association.interval.high:.3f})"
                )
            yield f"    {association.column[:30]:<30}  {figure}{'  LEAK?' if association.leak else ''}"


def _column_line(profile: ColumnProfile) -> str:
    column, distribution = profile.column, profile.distribution
    parts = [f"{1 - column.fill_share:.1%} missing" if column.filled < column.rows else "complete"]
    parts.append(f"{column.distinct:,} different")
    if distribution and distribution.quantiles and column.numbers:
        low, middle, high = column.numbers.minimum, distribution.quantiles["p50"], column.numbers.maximum
        parts.append(f"{plain(low)} / {plain(middle)} / {plain(high)}")
    if profile.span:
        parts.append(f"{profile.span.first:%Y-%m-%d} to {profile.span.last:%Y-%m-%d}")
    if profile.top and column.semantic not in ("identifier", "text"):
        parts.append(", ".join(comment_text(item.value)[:20] for item in profile.top[:3]))
    return "; ".join(parts)
