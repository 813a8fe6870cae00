"""Proposals for silver, and how they are obeyed: settings of time, links, what is dropped, measures, windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.feature_columns import ALL_TIME, sorted_windows, window_words
from python_ml.onboarding.rhythm import days_of
from python_ml.onboarding.specification import Decision, SourceSpec
from python_ml.recommendations.schema import Proposal, proposal

if TYPE_CHECKING:
    from python_ml.feature_columns import Measure
    from python_ml.onboarding.found import Found
    from python_ml.recommendations.draft import Draft

# What a project takes when a setting was not accepted.
DEFAULTS = {"horizon": "30d", "gap": "0d", "active_window": "60d", "step": "7d"}
_WORDS = {
    "horizon": "Length of the label window",
    "gap": "From the feature time to the label window",
    "active_window": "At risk is who was active within it",
    "step": "From one feature time to the next",
}


def propose(found: Found) -> Iterator[Proposal]:
    """Propose settings, links, what to drop, measures and windows."""
    project = found.project
    for decision in project.decisions:
        if decision.name in DEFAULTS:
            yield proposal(
                "silver",
                "spine",
                "setting",
                decision.name,
                f"{_WORDS[decision.name]}: {decision.reason}.",
                columns=[],
                parameters={"value": decision.value},
                evidence={"told": True} if decision.given else {},
                status="accepted",
            )
    for source in found.data:
        yield from _links(source)
        for column in source.columns:
            if column.role in ("empty", "constant"):
                yield proposal(
                    "silver",
                    source.name,
                    "drop_column",
                    column.name,
                    f"It is {column.role}: nothing can be learnt from it.",
                    evidence={"missing": column.missing, "of": source.rows},
                )
        if source.use == "tenure" and source.time is not None:
            yield proposal(
                "silver",
                source.name,
                "tenure",
                source.time.name,
                "Each customer has one row: only its time is used, since attributes may be overwritten later.",
                evidence={"rows": source.rows},
                status="accepted",
            )
        if source.use == "events":
            yield from _measures(source.name, source.measures, source)
            if source.reversal is not None:
                yield from _measures(source.reversal.name, source.reversal.measures, source)
        if source.dated:
            yield from _windows(found, source)
    if found.static is not None:
        yield from _attributes(found)


def _links(source: SourceSpec) -> Iterator[Proposal]:
    for link in source.links:
        brings = [name for _, name in link.brings]
        lost = sum(rows for reason, rows in source.unlinked.items() if reason.endswith(f" {link.column}"))
        yield proposal(
            "silver",
            source.name,
            "link",
            link.column,
            f"Rows of {source.name} get {' and '.join(brings)} from {link.parent}, where {link.column} is its "
            f"{link.parent_column}.",
            parameters={"parent": link.parent, "parent_column": link.parent_column, "brings": brings},
            evidence={"rows": source.rows, "without_partner": lost},
            status="accepted",
        )


def _measures(table: str, measures: tuple[Measure, ...], source: SourceSpec) -> Iterator[Proposal]:
    by_name = {column.name: column for column in source.columns}
    for measure in measures:
        column = by_name.get(measure.name)
        evidence = {"rows": source.rows}
        evidence |= {"missing": column.missing, "distinct": column.distinct} if column else {}
        yield proposal(
            "silver",
            table,
            "measure",
            measure.name,
            f"{measure.words[:1].upper()}{measure.words[1:]} of {table.replace('_', ' ')}, per window: "
            f"{', '.join(measure.aggregates)}.",
            parameters={"aggregates": list(measure.aggregates)},
            evidence=evidence,
            status="accepted",
        )


def _windows(found: Found, source: SourceSpec) -> Iterator[Proposal]:
    values = found.values.get(source.name)
    for window in source.windows or found.project.windows:
        occupied = values.occupied.get(window) if values else None
        told = f"What happened {window_words(window)} the feature time"
        if occupied is not None:
            told += f"; {occupied:.0%} of such windows in customers' lives hold an event"
        elif window == ALL_TIME:
            told += "; the whole history"
        yield proposal(
            "silver",
            source.name,
            "window",
            window,
            f"{told}.",
            columns=[source.time.name] if source.time else [],
            parameters={"window": window},
            evidence={} if occupied is None else {"occupied": round(occupied, 3)},
            status="accepted",
        )


def _attributes(found: Found) -> Iterator[Proposal]:
    static = found.static
    by_raw = {column.raw_name: column for column in static.table.columns}
    for feature in static.features:
        column = by_raw[feature.origin]
        yield proposal(
            "silver",
            static.table.name,
            "attribute",
            feature.name,
            f"{feature.column.description}.",
            columns=[column.name],
            evidence={"missing": column.missing, "distinct": column.distinct},
            status="accepted",
        )


def obey(draft: Draft) -> None:
    """Change the draft as was accepted; undo what was not."""
    _settings(draft)
    _unlink(draft)
    for entry in draft.accepted("silver", "drop_column"):
        if (place := draft.column(entry)) is None:
            continue
        source, column = place
        used = {m.name for m in source.measures} | {p.name for p in _parts(source)}
        if column.name in used:
            draft.miss(entry, f"{column.name} is used")
            continue
        draft.change_column(source, column, is_dropped=True)
    for name in draft.names:
        source = draft.sources[name]
        if source.use == "tenure" and source.time and draft.wanted("silver", name, "tenure", source.time.name) is None:
            source = stored(draft, source, "its tenure was not accepted")
        if source.use == "events":
            _choose_measures(draft, source)
    if draft.static is None:
        _choose_windows(draft)
    else:
        _choose_attributes(draft)


def _parts(source: SourceSpec) -> list:
    return [p for p in (source.entity, source.time, source.available, source.key) if p is not None]


def stored(draft: Draft, source: SourceSpec, why: str) -> SourceSpec:
    """Keep a source in bronze only."""
    if draft.static is None and source.is_activity:
        raise UserError(
            f"{source.name} says who is active, and cannot do without what was not accepted: {why}.",
            where="recommendations.yaml",
            hint="accept it, or write the project anew with another --activity",
        )
    return draft.change(source, use="stored", use_reason=why, measures=(), derived=(), reversal=None, windows=None)


def _settings(draft: Draft) -> None:
    decisions, changed = [], set()
    for decision in draft.project.decisions:
        entry = draft.wanted("silver", "spine", "setting", decision.name) if decision.name in DEFAULTS else None
        if decision.name not in DEFAULTS:
            decisions.append(decision)
        elif entry is None:
            decisions.append(
                Decision(
                    decision.name,
                    DEFAULTS[decision.name],
                    "the default: what was proposed was not accepted",
                    decision.flag,
                )
            )
        else:
            days_of(entry.given.value, decision.name)
            is_same = entry.given.value == decision.value
            decisions.append(decision if is_same else replace(decision, value=entry.given.value, reason="as told"))
        if decisions[-1].value != decision.value:
            changed.add(decision.name)
    # Figures that were measured with other settings would not be true any more.
    outlook = {} if changed & {"horizon", "gap", "active_window"} else draft.project.outlook
    draft.project = replace(draft.project, decisions=tuple(decisions), outlook=outlook)


def _unlink(draft: Draft) -> None:
    """Take links away that were not accepted, and with them what was reached only through them."""
    lost: dict[str, str] = {}
    for _ in draft.sources:
        for source in list(draft.sources.values()):
            if not source.links or source.name in lost:
                continue
            for link in source.links:
                entry = draft.wanted("silver", source.name, "link", link.column)
                if entry is None:
                    lost[source.name] = f"its link by {link.column} to {link.parent} was not accepted"
                elif link.parent in lost and link.is_linked:
                    draft.miss(entry, f"{link.parent} itself is not linked")
                    lost[source.name] = f"it is linked to {link.parent}, which is not linked itself"
    for name, why in lost.items():
        source = stored(draft, draft.sources[name], why)
        draft.change(
            source, links=(), unlinked={}, known=None, entity=source.own_entity, time=source.own_time,
            use_reason=why,
        )  # fmt: skip
    if lost:
        parents = {link.parent for s in draft.sources.values() for link in s.links}
        for source in [draft.sources[name] for name in draft.names]:
            is_silent = source.own_time is None and bool(source.links or source.name in parents)
            draft.change(source, is_always_known=is_silent)


def _choose_measures(draft: Draft, source: SourceSpec) -> None:
    def chosen(table: str, measures: tuple[Measure, ...]) -> tuple[Measure, ...]:
        kept = []
        for measure in measures:
            entry = draft.wanted("silver", table, "measure", measure.name)
            if entry is not None:
                windows = entry.given.windows
                kept.append(
                    replace(
                        measure,
                        aggregates=tuple(entry.given.aggregates),
                        windows=measure.windows if windows is None else tuple(windows),
                    )
                )
        return tuple(kept)

    measures = chosen(source.name, source.measures)
    reversal = source.reversal
    if reversal is not None:
        reversal = replace(reversal, measures=chosen(reversal.name, reversal.measures))
    gone = {m.name for m in source.measures} - {m.name for m in measures}
    source = draft.change(source, measures=measures, reversal=reversal)
    for column in source.columns:
        if column.name in gone:
            source = draft.change_column(source, column, unused="its measure was not accepted")


def _choose_windows(draft: Draft) -> None:
    chosen: dict[str, tuple[str, ...]] = {}
    for source in list(draft.sources.values()):
        if not source.dated:
            continue
        entries = [p for p in draft.accepted("silver", "window") if p.table == source.name]
        windows = tuple(sorted_windows(dict.fromkeys(p.given.window for p in entries)))
        if not windows and source.is_activity:
            draft.change(source, use="stored", use_reason="it says who is active; no window of it was accepted")
        elif not windows:
            stored(draft, source, "no window of it was accepted")
        else:
            chosen[source.name] = windows
    for entry in draft.accepted("silver", "window"):
        if entry.table not in chosen:
            draft.miss(entry, f"no features are made of {entry.table}")
    for name, windows in chosen.items():
        _within(draft, draft.sources[name], windows)
    activity = next(iter(draft.sources))
    common = chosen.get(activity) or next(iter(chosen.values()), draft.project.windows)
    for name, windows in chosen.items():
        draft.change(draft.sources[name], windows=None if windows == common else windows)
    decisions = tuple(
        replace(d, value=", ".join(common)) if d.name == "windows" else d for d in draft.project.decisions
    )
    draft.project = replace(draft.project, windows=common, decisions=decisions)


def _within(draft: Draft, source: SourceSpec, windows: tuple[str, ...]) -> None:
    """Keep measures to windows that their table has."""
    kept = []
    for measure in source.measures:
        if measure.windows is not None:
            some = tuple(w for w in measure.windows if w in windows)
            if not some:
                entry = draft.wanted("silver", source.name, "measure", measure.name)
                draft.miss(entry, f"none of its windows is one of {source.name}")
                continue
            measure = replace(measure, windows=some)
        kept.append(measure)
    draft.change(source, measures=tuple(kept))


def _choose_attributes(draft: Draft) -> None:
    table = draft.sources[draft.static.table.name]
    by_raw = {column.raw_name: column for column in table.columns}
    features = []
    for feature in draft.static.features:
        entry = draft.wanted("silver", table.name, "attribute", feature.name)
        column = by_raw[feature.origin]
        if entry is None:
            table = draft.change_column(table, column, unused=column.unused or "its attribute was not accepted")
            continue
        if column.type == "text" and feature.column.data_type != "string":
            if feature.name != column.name:
                draft.miss(entry, f"{column.name} is not read as a time")
                continue
            feature = replace(
                feature,
                column=replace(feature.column, data_type="string"),
                expression=column.name,
            )
            table = draft.change_column(table, column, unused="", role="nominal")
        features.append(feature)
    if not features:
        raise UserError(
            "No attribute was accepted, so there is nothing to learn from.",
            where="recommendations.yaml",
            hint="accept at least one `attribute`",
        )
    draft.static = replace(draft.static, features=tuple(features))
