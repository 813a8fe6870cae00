"""The part of ``findings.yaml`` that concerns outcomes: targets with what goes together with them, and segments."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from python_ml.profiling.figures import Estimate, Figure, MaybeFigure, Part, RateOf


class AssociationOf(Part):
    """The association within a period."""

    period: str
    rows: int
    left: int
    auc: Estimate | None = None
    cramers_v: MaybeFigure = None


class Association(Part):
    """How a column goes together with the target."""

    column: str
    measure: Literal["auc", "cramers_v"]
    rows: int
    auc: Estimate | None = None
    cramers_v: MaybeFigure = None
    strength: Figure
    rates: list[RateOf] = Field([])
    missing_rate: RateOf | None = None
    by_time: list[AssociationOf] = Field([])
    leak: Literal["critical", "high"] | None = None
    leak_reasons: list[str] = Field([])


class Capacity(Part):
    """How many variables the labelled rows can bear."""

    events: int
    variables: int
    events_per_variable: Figure
    bearable_variables: int
    effective_variables: MaybeFigure = None
    words: str


class Target(Part):
    """A target and its associations, strongest first. An AUC above 0.5 says that higher values leave more often."""

    column: str
    given: bool
    meaning: str
    because: str
    flag: str | None = None
    doubt: str | None = None
    left_rows: int
    labelled_rows: int
    rate: Estimate
    sampled_rows: int | None = None
    clustered_by: str | None = None
    time: str | None = None
    by_time: list[RateOf] = Field([])
    associations: list[Association] = Field([])
    capacity: Capacity


class Mark(Part):
    """What sets a segment apart: the median of an attribute, or the share of a value, here and of all."""

    attribute: str
    level: str | None = None
    here: Figure
    everywhere: Figure


class Segment(Part):
    """Rows or entities that are alike, and the share of them that left."""

    number: int
    rows: int
    share: Figure
    words: str
    marks: list[Mark] = Field([])
    left: RateOf | None = None


class Segments(Part):
    """Groups that attributes form without the target; ``supported`` says whether there are any."""

    of: Literal["rows", "entities"]
    rows: int
    sampled_from: int | None = None
    attributes: list[str] = Field([])
    silhouette: Figure
    silhouette_shuffled: Figure
    supported: bool
    target: str | None = None
    words: str
    segments: list[Segment] = Field([])
