"""The gate before every training: critical findings stop it, unless the settings leave the column out or say why."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from python_ml.dbt import TRAINING_SET
from python_ml.errors import GateError, UserError
from python_ml.leakage import (
    CRITICAL,
    HIGH,
    INFO,
    MOST_ROWS,
    REBUILT,
    ROW_PROBES,
    Finding,
    Leak,
    probe_training_set,
    proven,
    quoted_list,
    replayable,
    verdicts,
)

if TYPE_CHECKING:
    import pandas as pd

    from python_ml.dbt import Feature
    from python_ml.leakage import Parts
    from python_ml.model.replay_evidence import StoredReplay
    from python_ml.settings import Settings

EXCLUDED, ACCEPTED, REFUSED, USED, NOTED = "excluded", "accepted", "refused", "used", "noted"


@dataclass(frozen=True)
class LeakageCheck:
    """Findings of the probes, and what becomes of each.

    Attributes
    ----------
    limit : float
        AUC from which a single column is not believed.
    findings : list of Finding
        Everything, the worst first.
    excluded : tuple of str
        Features that the settings leave out.
    accepted : dict of str to str
        Critical columns (or probes, for rows) that are used, with the reason that was given.
    rows, looked_at : int
        Rows of the training set, and how many of them the probes saw.
    proven : frozenset of str
        Features that a replay rebuilt from data cut off at the feature time.
    windows : frozenset of str
        Features over windows of dated rows, which a replay can rebuild.
    """

    limit: float
    findings: list[Finding]
    excluded: tuple[str, ...] = ()
    accepted: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    looked_at: int = 0
    proven: frozenset[str] = frozenset()
    windows: frozenset[str] = frozenset()

    @property
    def leaks(self) -> list[Leak]:
        """Suspicious columns, each with its findings."""
        return verdicts(self.findings)

    @property
    def refused(self) -> list[Finding]:
        """Critical findings that nobody excluded or accepted."""
        return [finding for finding in self.findings if self.decision(finding) == REFUSED]

    def decision(self, finding: Finding) -> str:
        """What becomes of a finding: excluded, accepted, refused, used (suspicious all the same) or noted."""
        if finding.columns and finding.name in self.excluded:
            return EXCLUDED
        if finding.severity == CRITICAL:
            return ACCEPTED if finding.name in self.accepted else REFUSED
        return USED if finding.severity == HIGH else NOTED

    def enforce(self) -> None:
        """Stop at a critical finding.

        Raises
        ------
        GateError
            Names each column with its figures, and says how to fix it.
        """
        refused = self.refused
        if not refused:
            return
        columns = [leak for leak in self.leaks if leak.column in {f.name for f in refused if f.columns}]
        rows = [finding for finding in refused if not finding.columns]
        hint = []
        if columns:
            hint.append(
                "leave them out in retention.yml (`features: {exclude: ["
                + ", ".join(leak.column for leak in columns)
                + "]}`); or, if they were seen before the outcome, say why "
                f"(`leakage: {{accept: {{{columns[0].column}: the reason}}}}`)"
            )
        if any(leak.column in self.windows for leak in columns) and not self.proven:
            hint.insert(0, "run `retention replay` first: features over windows that it rebuilds are not refused")
        hint += [
            f"{finding.advice}; or say why not (`leakage: {{accept: {{{finding.probe}: the reason}}}}`)"
            for finding in rows
        ]
        said = [leak.sentence for leak in columns] + [finding.sentence for finding in rows]
        what = f"{len(columns)} column(s) most likely know the outcome" if columns else "The rows know the outcome"
        raise GateError(what + ":\n    " + "\n    ".join(said), where=TRAINING_SET, hint="; ".join(hint))

    @property
    def warnings(self) -> list[str]:
        """One sentence for each suspicious column or kind of row, worst first."""
        messages = []
        rebuilt = [leak.column for leak in self.leaks if leak.figures.get(REBUILT)]
        if rebuilt:
            messages.append(
                f"The outcome is easily predicted from past activity alone: {quoted_list(rebuilt)} rank churned above "
                "retained customers with a high AUC. A replay rebuilt them from data cut off at the feature time: they "
                "know nothing of the outcome. Compare the models with the recency baseline."
            )
        for leak in self.leaks:
            if leak.column in rebuilt:
                continue
            what = "; ".join(leak.reasons)
            if leak.column in self.accepted:
                messages.append(
                    f"LEAK: the model uses `{leak.column}`, which most likely knows the outcome: {what}. It was "
                    f"accepted because: {self.accepted[leak.column]}. No figure of this model is to be trusted."
                )
            elif leak.column in self.excluded:
                messages.append(f"`{leak.column}` was excluded, since it most likely knows the outcome: {what}.")
            else:
                messages.append(f"Look at `{leak.column}`, which the model uses: {what}.")
        for finding in self.findings:
            if finding.columns or finding.severity == INFO:
                continue
            if finding.severity == CRITICAL and finding.name in self.accepted:
                messages.append(f"LEAK: {finding.sentence}. It was accepted because: {self.accepted[finding.name]}.")
            else:
                messages.append(f"Look at the rows: {finding.sentence}.")
        return messages

    def to_dict(self) -> dict[str, Any]:
        """For ``metrics.json``."""
        return {
            "limit": self.limit,
            "rows": self.rows,
            "looked_at": self.looked_at,
            "excluded": sorted(self.excluded),
            "accepted": dict(self.accepted),
            "columns": [leak.to_dict() for leak in self.leaks],
            "findings": [
                {
                    **finding.to_dict(),
                    "decision": self.decision(finding),
                    **({"accepted_because": self.accepted[finding.name]} if self.decision(finding) == ACCEPTED else {}),
                }
                for finding in self.findings
                if finding.severity != INFO
            ],
        }


def usable(features: Sequence[Feature], settings: Settings) -> list[Feature]:
    """The registry without the features that ``features.exclude`` names.

    Raises
    ------
    UserError
        When it names something that is no feature.
    """
    known = [feature.name for feature in features if feature.role == "feature"]
    for name in settings.features.exclude:
        if not fnmatch.filter(known, name):
            close = difflib.get_close_matches(name, known, n=1)
            raise UserError(
                f"There is no feature `{name}` to leave out.",
                where=settings.where("features", "exclude"),
                hint=f"did you mean `{close[0]}`?"
                if close
                else "delete the line, or name a column of gold.gld_customer_features",
            )
    excluded = settings.features.excluded(known)
    return [feature for feature in features if feature.name not in excluded]


def check_leakage(
    frame: pd.DataFrame,
    features: Sequence[Feature],
    entity: str,
    settings: Settings,
    *,
    dated: bool,
    parts: Parts | None = None,
    replays: Sequence[StoredReplay] = (),
) -> LeakageCheck:
    """Probe a training set and weigh the findings against the settings; stops nothing by itself.

    Parameters
    ----------
    frame, features, entity, dated, parts, replays
        As for :func:`python_ml.leakage.probe_training_set`.
    settings : Settings

    Raises
    ------
    UserError
        When ``features.exclude`` or ``leakage.accept`` names something that is no feature.
    """
    usable(features, settings)
    known = [*(feature.name for feature in features if feature.role == "feature"), *ROW_PROBES]
    for name in settings.leakage.accept:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise UserError(
                f"There is no feature `{name}` to accept.",
                where=settings.where("leakage", "accept", name),
                hint=f"did you mean `{close[0]}`?" if close else "delete the line",
            )
    limit, excluded = settings.leakage.limit, settings.features.excluded(feature.name for feature in features)
    findings = probe_training_set(
        frame, features, entity, dated=dated, limit=limit, parts=parts, replays=replays, seed=settings.training.seed
    )
    accepted = {}
    for finding in findings:
        reason = settings.leakage.accept.get(finding.name) or settings.leakage.accept.get(finding.related_to or "")
        if finding.severity == CRITICAL and finding.name not in excluded and reason:
            accepted[finding.name] = reason
    rebuilt = frozenset(proven(features, replays))
    windows = frozenset(replayable(features)) if dated else frozenset()
    return LeakageCheck(limit, findings, excluded, accepted, len(frame), min(len(frame), MOST_ROWS), rebuilt, windows)


def registered_risks(features: Sequence[Feature], used: Sequence[str]) -> list[str]:
    """A warning when features that the model uses are registered with a high leakage risk."""
    risky = [f.name for f in features if f.name in set(used) and (f.leakage_risk or "").lower() == "high"]
    if not risky:
        return []
    return [f"The model uses features whose leakage risk is registered as high: {', '.join(risky)}."]
