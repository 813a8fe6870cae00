"""Customers by risk, those most at risk with their reasons, and the drivers of the predictions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from python_ml.formatting import date, integer, key_text, moment, number, percent
from python_ml.model.risk_bands import BANDS
from python_ml.report import charts
from python_ml.report.frames import LISTED_CUSTOMERS

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.report.inputs import ReportInputs

LISTED_DRIVERS = 15
# Below this the sign of a correlation says little, so no direction is claimed.
CLEAR_DIRECTION = 0.15


def customers_section(inputs: ReportInputs) -> dict[str, Any]:
    """Customers by risk: the bands, the distribution of probabilities and the customers most at risk."""
    scores = inputs.scores if inputs.scores is None else inputs.scores.dropna(subset=["churn_probability"])
    if scores is None or scores.empty:
        missing = "No customer has been scored yet. Run retention score; it needs a champion, which retention train "
        return {"missing": f"{missing}registers.", "remarks": [], "other_version": False}
    probability = scores["churn_probability"].to_numpy(float)
    kinds = scores["risk_band"].where(scores["risk_band"].isin(BANDS), "other").to_numpy(str)
    bands = []
    for kind in (*BANDS, "other"):
        inside = probability[kinds == kind]
        if len(inside):
            share = len(inside) / len(probability)
            bands.append(charts.Band(kind, len(inside), share, float(inside.min()), float(inside.max())))
    high = int((kinds == "high").sum())
    return {
        "missing": "",
        "as_of": scores["feature_timestamp"].max(),
        "total": len(scores),
        "high": high,
        "high_share": high / len(scores),
        "expected": float(probability.sum()),
        "bands": bands,
        "band_text": _band_text(inputs.metrics.get("risk_bands")),
        "plots": charts.both_widths(charts.score_chart, probability, bands, kinds),
        "listed": _most_at_risk(inputs, scores),
        "reasons_missing": inputs.reasons is None or inputs.reasons.empty,
        "remarks": _disagreements(inputs, scores),
        "other_version": _is_of_another_version(inputs, scores),
    }


def _band_text(bands: Any) -> str:
    """Where the bands begin and why; empty for metrics of a version that did not say."""
    if not isinstance(bands, dict):
        return ""
    if bands.get("kind") == "rank":
        return "Bands by rank: shares of customers, measured when the model was trained and then fixed."
    high, medium, base = (percent(bands.get(key), 1) for key in ("high", "medium", "base_rate"))
    break_even = bands.get("break_even")
    never = break_even is not None and break_even >= 1
    pays = "is never profitable" if never else f"is profitable from {percent(break_even, 1)}"
    return (
        f"High risk begins at {high}, medium risk at {medium}. The base rate is {base}; an offer to a typical customer "
        f"{pays}."
    )


def _most_at_risk(inputs: ReportInputs, scores: pd.DataFrame) -> list[dict[str, Any]]:
    entity = inputs.entity
    least = scores["churn_probability"].nlargest(LISTED_CUSTOMERS).iloc[-1]
    ranked = scores[scores["churn_probability"] >= least]
    ranked = ranked.assign(_key=ranked[entity].map(key_text))
    ranked = ranked.sort_values(["churn_probability", "_key"], ascending=[False, True], kind="stable")
    ranked = ranked.head(LISTED_CUSTOMERS)
    reasons: dict[str, list[str]] = {}
    if inputs.reasons is not None:
        listed = inputs.reasons.assign(_key=inputs.reasons[entity].map(key_text))
        listed = listed[listed["_key"].isin(set(ranked["_key"]))].sort_values(["_key", "reason_rank"], kind="stable")
        for key, reason in zip(listed["_key"], listed["reason"], strict=True):
            if isinstance(reason, str) and reason.strip():
                reasons.setdefault(key, []).append(reason.strip())
    return [
        {
            "key": row["_key"],
            "probability": float(row["churn_probability"]),
            "band": str(row["risk_band"]),
            "kind": row["risk_band"] if row["risk_band"] in BANDS else "other",
            "reasons": reasons.get(row["_key"], []),
        }
        for row in ranked.to_dict("records")
    ]


def _is_of_another_version(inputs: ReportInputs, scores: pd.DataFrame) -> bool:
    """Whether another version scored than the one that was trained last."""
    version, scored = _trained_version(inputs), scores["model_version"].dropna()
    return version is not None and len(scored) > 0 and set(map(float, scored)) != {version}


def _trained_version(inputs: ReportInputs) -> float | None:
    version = (inputs.metrics.get("champion") or {}).get("version")
    return float(version) if isinstance(version, str) and version.isdigit() else number(version)


def _disagreements(inputs: ReportInputs, scores: pd.DataFrame) -> list[str]:
    """Where the scores are of another model or another time than the rest of the report."""
    remarks = []
    if _is_of_another_version(inputs, scores):
        versions = ", ".join(sorted({integer(float(v)) for v in scores["model_version"].dropna()}))
        remarks.append(
            f"The scores were made by model version {versions}, while the figures below are of version "
            f"{integer(_trained_version(inputs))}" + _standing(inputs.metrics, versions)
        )
    if inputs.scoring is not None and len(inputs.scoring):
        newest, as_of = moment(inputs.scoring["feature_timestamp"].iloc[0]), scores["feature_timestamp"].max()
        if newest is not None and newest > as_of:
            remarks.append(
                f"The warehouse holds features as of {date(newest)}: newer than the scores. Run retention score."
            )
    return remarks


def _standing(metrics: dict[str, Any], scored: str) -> str:
    """Why scores and figures are of different versions: a refused challenger, or scores that are out of date."""
    registration = metrics.get("registration") or {}
    if str(registration.get("champion")) != scored:
        return ". Run retention score to bring them together."
    return (
        f", which did not replace the champion: {registration.get('reason')}. Customers at risk, actions and "
        f"explanations are of version {scored}; performance, comparison, drivers and survival of version "
        f"{registration.get('version')}, the newest training."
    )


def drivers_section(inputs: ReportInputs) -> dict[str, Any]:
    """The features that move the champion's predictions most, with the direction in which they do."""
    drivers = inputs.drivers if inputs.drivers is None else inputs.drivers.dropna(subset=["importance"])
    if drivers is None or drivers.empty:
        return {"missing": "The drivers need reports/drivers.parquet, which retention train writes."}
    ranked = drivers.assign(feature=drivers["feature"].astype(str))
    ranked = ranked.sort_values(["importance", "feature"], ascending=[False, True], kind="stable")
    ranked = ranked.head(LISTED_DRIVERS)
    longest = float(ranked["importance"].max()) or 1.0
    rows = [
        {
            "feature": feature,
            "description": inputs.feature_descriptions.get(feature, ""),
            "importance": float(importance),
            "length": max(float(importance) / longest, 0.005),
            "kind": direction_kind(number(direction)),
        }
        for feature, importance, direction in zip(
            ranked["feature"], ranked["importance"], ranked["direction"], strict=True
        )
    ]
    return {"missing": "", "rows": rows, "total": len(drivers)}


def direction_kind(correlation: float | None) -> str:
    """What a correlation of a feature with its contribution says: ``raises``, ``lowers`` or ``mixed``."""
    if correlation is None or abs(correlation) < CLEAR_DIRECTION:
        return "mixed"
    return "raises" if correlation > 0 else "lowers"
