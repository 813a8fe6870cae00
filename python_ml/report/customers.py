"""Who will leave, and why: customers by risk, the riskiest with their reasons, and the strongest drivers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python_ml.formatting import date, duration, integer, key_text, moment, number, span
from python_ml.project import is_dateless
from python_ml.report import charts
from python_ml.report.inputs import LISTED_CUSTOMERS
from python_ml.report.svg import NARROW, WIDE

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.report.inputs import ReportInputs

BANDS = ("high", "medium", "low")
LISTED_DRIVERS = 15
# Below this the sign of a correlation says little, so no direction is claimed.
CLEAR_DIRECTION = 0.15


def window_words(definition: dict[str, Any]) -> str:
    """Say when the label looks, after the as-of time: ``within the next 30 days``."""
    horizon = duration(definition.get("horizon"))
    if is_dateless(definition):
        return "as others in the snapshot have"
    if not definition.get("horizon"):
        return "in the label window"
    if span(definition.get("gap")):
        return f"in the {horizon} that begin {duration(definition['gap'])} later"
    return f"within the next {horizon}"


def who_section(inputs: ReportInputs) -> dict[str, Any]:
    """Customers by risk: the bands, the distribution of probabilities and the customers to look at first."""
    scores = inputs.scores
    if scores is not None:
        scores = scores.dropna(subset=["churn_probability"])
    if scores is None or scores.empty:
        return {
            "missing": "No customer has been scored yet. Run retention score; it needs a champion, which "
            "retention train registers.",
            "remarks": [],
        }
    probability = scores["churn_probability"].to_numpy(float)
    names = scores["risk_band"].fillna("none").astype(str)
    kinds = names.where(names.isin(BANDS), "other").to_numpy()
    order = [*BANDS, "other"]
    bands = []
    for kind in order:
        inside = probability[kinds == kind]
        if len(inside):
            bands.append(
                charts.Band(
                    kind,
                    kind,
                    len(inside),
                    len(inside) / len(probability),
                    float(inside.min()),
                    float(inside.max()),
                )
            )
    high = int((kinds == "high").sum())
    return {
        "missing": "",
        "as_of": scores["feature_timestamp"].max(),
        "customers": len(scores),
        "high": high,
        "high_share": high / len(scores),
        "expected": float(probability.sum()),
        "bands": bands,
        "strip": charts.strip(bands),
        "drawings": [charts.score_chart(probability, bands, kinds, width) for width in (WIDE, NARROW)],
        "people": _people(inputs, scores),
        "reasons_missing": inputs.reasons is None or inputs.reasons.empty,
        "remarks": _stale(inputs, scores),
    }


def _people(inputs: ReportInputs, scores: pd.DataFrame) -> list[dict[str, Any]]:
    entity = inputs.entity
    least = scores["churn_probability"].nlargest(LISTED_CUSTOMERS).iloc[-1]
    ranked = scores[scores["churn_probability"] >= least]
    ranked = ranked.assign(_key=ranked[entity].map(key_text))
    ranked = ranked.sort_values(["churn_probability", "_key"], ascending=[False, True], kind="stable")
    ranked = ranked.head(LISTED_CUSTOMERS)
    reasons: dict[str, list[str]] = {}
    if inputs.reasons is not None:
        listed = inputs.reasons.assign(_key=inputs.reasons[entity].map(key_text))
        listed = listed[listed["_key"].isin(set(ranked["_key"]))]
        for row in listed.sort_values(["_key", "reason_rank"], kind="stable").to_dict("records"):
            if isinstance(row["reason"], str) and row["reason"].strip():
                reasons.setdefault(row["_key"], []).append(row["reason"].strip())
    return [
        {
            "rank": rank,
            "key": row["_key"],
            "probability": float(row["churn_probability"]),
            "band": str(row["risk_band"]),
            "kind": row["risk_band"] if row["risk_band"] in BANDS else "other",
            "reasons": reasons.get(row["_key"], []),
        }
        for rank, row in enumerate(ranked.to_dict("records"), start=1)
    ]


def _stale(inputs: ReportInputs, scores: pd.DataFrame) -> list[str]:
    """Say where the scores and the rest of the report speak of different things."""
    remarks = []
    champion = inputs.metrics.get("champion") or {}
    version, scored = number(champion.get("version")), scores["model_version"].dropna()
    if isinstance(champion.get("version"), str) and champion["version"].isdigit():
        version = float(champion["version"])
    if version is not None and len(scored) and set(map(float, scored)) != {version}:
        made = ", ".join(sorted({integer(float(v)) for v in scored}))
        remarks.append(
            f"The scores were made by model version {made}, while the figures below are of version "
            f"{integer(version)}. Run retention score to bring them together."
        )
    if inputs.scoring is not None and len(inputs.scoring):
        newest, as_of = moment(inputs.scoring["feature_timestamp"].iloc[0]), scores["feature_timestamp"].max()
        if newest is not None and newest > as_of:
            remarks.append(
                f"The warehouse holds features as of {date(newest)}: newer than the scores. Run retention score."
            )
    return remarks


def why_section(inputs: ReportInputs) -> dict[str, Any]:
    """The features that move the champion's predictions most, with the direction in which they do."""
    drivers = inputs.drivers
    if drivers is not None:
        drivers = drivers.dropna(subset=["importance"])
    if drivers is None or drivers.empty:
        return {"missing": "The drivers need reports/drivers.parquet, which retention train writes."}
    total = len(drivers)
    ranked = drivers.assign(feature=drivers["feature"].astype(str))
    ranked = ranked.sort_values(["importance", "feature"], ascending=[False, True], kind="stable")
    ranked = ranked.head(LISTED_DRIVERS)
    longest = float(ranked["importance"].max())
    rows = []
    for row in ranked.to_dict("records"):
        direction = number(row["direction"])
        if direction is None or abs(direction) < CLEAR_DIRECTION:
            kind, effect = "mixed", "depends on the value"
        elif direction > 0:
            kind, effect = "raises", "higher value, higher risk"
        else:
            kind, effect = "lowers", "higher value, lower risk"
        importance = float(row["importance"])
        rows.append(
            {
                "feature": row["feature"],
                "description": inputs.feature_descriptions.get(row["feature"], ""),
                "importance": importance,
                "kind": kind,
                "effect": effect,
                "drawing": charts.bar(importance, longest, kind, f"Weight of {row['feature']}, {effect}"),
            }
        )
    return {"missing": "", "rows": rows, "total": total}
