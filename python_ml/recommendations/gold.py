"""Proposals for gold, and how they are obeyed: features left out, how models see them, features made of two others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from python_ml.feature_columns import ALL_TIME, FeatureColumn
from python_ml.onboarding.specification import Interaction, ModelInput
from python_ml.onboarding.static import BY_REQUEST
from python_ml.recommendations.schema import Proposal, proposal

if TYPE_CHECKING:
    from python_ml.onboarding.found import Found
    from python_ml.onboarding.values import ColumnValues
    from python_ml.recommendations.draft import Draft

TABLE = "customer_features"
SKEWED = 2.0
HEAVY = 0.05  # share of outliers from which a few values set the scale of a column
MANY = 30  # categories; more are not worth a column each
_AS_LARGE = ("sum", "mean", "max", "min", "first", "last")  # aggregates that are as skewed as what they are made of
_JOINED = {"product": "times", "ratio": "per", "difference": "minus"}


def propose(found: Found) -> Iterator[Proposal]:
    """Propose what models should leave out, how they should see features, and features made of two others."""
    yield from _leaks(found)
    for source in found.data:
        values = found.values.get(source.name)
        if values is None:
            continue
        features = _features_of(found, source.name)
        for a, b, correlation in values.alike:
            if features.get(a) and features.get(b):
                yield proposal(
                    "gold",
                    TABLE,
                    "exclude",
                    _subject(found, source.name, b),
                    f"`{b}` says the same as `{a}`: their correlation is {correlation:.3f}.",
                    columns=[b],
                    parameters={"features": features[b]},
                    evidence={"correlation": correlation, "like": a},
                )
        for raw, measured in values.columns.items():
            if features.get(raw):
                yield from _shapes(_subject(found, source.name, raw), raw, features[raw], measured)
    yield from _encodings(found)
    yield from _ratios(found)


def _leaks(found: Found) -> Iterator[Proposal]:
    if found.static is None:
        return
    origins = {feature.name: feature.origin for feature in found.static.features}
    leaks = {leak.column: leak for leak in found.static.leaks}
    for name, reason in found.static.excluded.items():
        leak = leaks.get(origins[name])
        told = reason == BY_REQUEST
        evidence: dict[str, object] = {"told": True} if told else {}
        if leak is not None and leak.auc is not None:
            evidence["auc"] = round(float(leak.auc), 4)
        yield proposal(
            "gold",
            TABLE,
            "exclude",
            name,
            "You named it with --exclude-columns." if told else f"It may know the outcome: {'; '.join(leak.reasons)}.",
            parameters={"features": [name]},
            evidence=evidence,
            status="accepted",
        )


def _features_of(found: Found, source: str) -> dict[str, list[str]]:
    """Features of gold that are numbers as large as those of a column, by its raw name."""
    if found.static is not None:
        if source != found.static.table.name:
            return {}
        return {
            f.origin: [f.name]
            for f in found.static.features
            if f.column.data_type == "double"
            and f.name not in found.static.excluded
            and f.sql != "cast(null as double)"
        }
    spec = next(s for s in found.project.sources if s.name == source)
    raw = {column.name: column.raw_name for column in spec.columns}
    made: dict[str, list[str]] = {}
    for column in found.project.features:
        meta = column.meta
        if meta.get("source") == source and meta.get("measure") in raw and meta["aggregate"] in _AS_LARGE:
            made.setdefault(raw[meta["measure"]], []).append(column.name)
    return made


def _subject(found: Found, source: str, raw: str) -> str:
    if found.static is not None:
        return next(f.name for f in found.static.features if f.origin == raw)
    spec = next(s for s in found.project.sources if s.name == source)
    return f"{source}_{next(c.name for c in spec.columns if c.raw_name == raw)}"


def _shapes(subject: str, raw: str, features: list[str], measured: ColumnValues) -> Iterator[Proposal]:
    if measured.skew is not None and abs(measured.skew) >= SKEWED:
        how = "log" if (measured.minimum or 0) >= 0 and measured.skew > 0 else "rank"
        yield proposal(
            "gold",
            TABLE,
            "transform",
            subject,
            f"`{raw}` is skewed ({measured.skew:.1f}): linear models should see its "
            f"{'logarithm' if how == 'log' else 'rank'}.",
            columns=[raw],
            parameters={"features": features, "how": how},
            evidence={"skew": round(measured.skew, 2), "minimum": measured.minimum, "maximum": measured.maximum},
        )
        if how == "rank":
            return  # ranks have no outliers
    if measured.readable and measured.outliers >= HEAVY * measured.readable:
        share = measured.outliers / measured.readable
        yield proposal(
            "gold",
            TABLE,
            "scale",
            subject,
            f"{share:.0%} of the values of `{raw}` are outliers: the middle nine tenths should set its scale.",
            columns=[raw],
            parameters={"features": features, "how": "robust"},
            evidence={"outliers": measured.outliers, "of": measured.readable},
        )


def _encodings(found: Found) -> Iterator[Proposal]:
    if found.static is None:
        return
    by_raw = {column.raw_name: column for column in found.static.table.columns}
    for feature in found.static.features:
        column = by_raw[feature.origin]
        if (
            feature.column.data_type == "string"
            and column.distinct > MANY
            and feature.name not in found.static.excluded
        ):
            yield proposal(
                "gold",
                TABLE,
                "encode",
                feature.name,
                f"`{column.raw_name}` has {column.distinct:,} values, too many for a column each: models should see "
                "the share of leavers per value, cross-fitted on training rows.",
                parameters={"features": [feature.name], "how": "target"},
                evidence={"distinct": column.distinct},
            )


def _ratios(found: Found) -> Iterator[Proposal]:
    """Recent activity against that of a longer time, where both windows are seldom empty."""
    if found.static is not None or not found.project.sources:
        return
    source = found.project.activity
    values = found.values.get(source.name)
    lengths = [w for w in found.project.windows if w != ALL_TIME and values and values.occupied.get(w, 0) >= 0.2]
    names = {column.name for column in found.project.features}
    if len(lengths) < 2:
        return
    of = [f"{source.name}_count_{lengths[0]}", f"{source.name}_count_{lengths[-1]}"]
    if set(of) <= names:
        yield proposal(
            "gold",
            TABLE,
            "interaction",
            f"{source.name}_count_{lengths[0]}_per_{lengths[-1]}",
            f"Who slows down leaves: {source.events} of the last {lengths[0]} against those of the last {lengths[-1]}.",
            columns=of,
            parameters={"of": of, "how": "ratio"},
            evidence={f"occupied_{w}": round(values.occupied[w], 3) for w in (lengths[0], lengths[-1])},
        )


def obey(draft: Draft) -> None:
    """Change the draft as was accepted; undo what was not. Comes last, when all other features are known."""
    static = draft.static
    made = [f.column for f in static.features] if static else draft.project.features
    known = {column.name: column for column in made}
    interactions = []
    for entry in draft.accepted("gold", "interaction"):
        missing = [name for name in entry.given.of if name not in known]
        numbers = [name for name in entry.given.of if name in known and known[name].data_type in ("bigint", "double")]
        if missing or len(numbers) < 2 or entry.subject in known:
            why = (
                f"there is no feature {missing[0]}"
                if missing
                else "it is there already"
                if len(numbers) == 2
                else ("both must be numbers")
            )
            draft.miss(entry, why)
            continue
        interactions.append(_interaction(entry, known))
    known |= {one.column.name: one.column for one in interactions}
    chosen: dict[str, dict[str, str]] = {"exclude": {}, "transform": {}, "scale": {}, "encode": {}}
    for action, found in chosen.items():
        for entry in draft.accepted("gold", action):
            features = [name for name in entry.given.features if name in known and _fits(action, known[name])]
            if not features:
                draft.miss(entry, "none of its features is made")
            found.update(dict.fromkeys(features, entry.reason if action == "exclude" else entry.given.how))
    for action in ("transform", "scale", "encode"):
        chosen[action] = {name: how for name, how in chosen[action].items() if name not in chosen["exclude"]}
    draft.project = replace(draft.project, interactions=tuple(interactions), model_input=ModelInput(**chosen))
    if static is not None:
        reasons = {n: static.excluded.get(n, why) for n, why in chosen["exclude"].items()}
        draft.static = replace(static, excluded=reasons)


def _fits(action: str, column: FeatureColumn) -> bool:
    if action == "encode":
        return column.data_type == "string"
    return action == "exclude" or column.data_type in ("bigint", "double")


def _interaction(entry: Proposal, known: dict[str, FeatureColumn]) -> Interaction:
    a, b = (known[name] for name in entry.given.of)
    how = entry.given.how
    sql = {
        "ratio": f"cast({a.name} as double) / nullif({b.name}, 0)",
        "product": f"cast({a.name} as double) * {b.name}",
        "difference": f"cast({a.name} as double) - {b.name}",
    }[how]
    risks = ("low", "medium", "high")
    risk = max((c.meta.get("leakage_risk", "low") for c in (a, b)), key=risks.index)
    windows = list(dict.fromkeys(str(c.meta.get("window", "")) for c in (a, b)))
    meta = {
        "role": "feature",
        "source": a.meta.get("source", TABLE),
        "measure": f"{a.name} {_JOINED[how]} {b.name}",
        "aggregate": how,
        "window": "/".join(windows),
        "leakage_risk": risk,
    }
    words = {"ratio": "divided by", "product": "times", "difference": "minus"}[how]
    text = f"{a.description}, {words}: {b.description[:1].lower()}{b.description[1:]}"
    return Interaction(FeatureColumn(entry.subject, "double", text, meta), sql)
