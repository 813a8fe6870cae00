"""Planted leaks: one function for each class, which adds to a clean training set what must be found in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from python_ml.dbt import Feature
from python_ml.leakage import CRITICAL, Finding, Parts, probe_training_set
from python_ml.model.replay_evidence import StoredReplay
from tests.canaries.worlds import Clean


@dataclass(frozen=True)
class Planted:
    """A training set with one leak.

    Attributes
    ----------
    clean : Clean
        The training set, no longer clean.
    expected : tuple of str
        Columns (or probes, for rows) that must be found critical.
    replays, parts
        As for :func:`python_ml.leakage.probe_training_set`.
    """

    clean: Clean
    expected: tuple[str, ...]
    replays: Sequence[StoredReplay] = ()
    parts: Parts | None = None


Plant = Callable[[Clean, np.random.Generator], Planted]
DATED: dict[str, Plant] = {}
UNDATED: dict[str, Plant] = {}


def everywhere(plant: Plant) -> Plant:
    """A leak of any table."""
    DATED[plant.__name__] = UNDATED[plant.__name__] = plant
    return plant


def in_time(plant: Plant) -> Plant:
    """A leak that needs feature times."""
    DATED[plant.__name__] = plant
    return plant


def criticals(planted: Planted) -> list[Finding]:
    """The critical findings of a planted training set."""
    clean = planted.clean
    findings = probe_training_set(
        clean.frame, clean.features, clean.entity, dated=clean.dated, replays=planted.replays, parts=planted.parts
    )
    return [finding for finding in findings if finding.severity == CRITICAL]


def with_columns(clean: Clean, values: dict[str, object], **meta: str) -> Clean:
    """A training set with further features."""
    frame = clean.frame.assign(**values)
    added = []
    for name in values:
        column = frame[name]
        kind = "varchar" if column.dtype == object else "double"
        kind = "timestamp" if pd.api.types.is_datetime64_any_dtype(column) else kind
        added.append(Feature(name, "feature", kind, **(meta or {"aggregate": "attribute"})))
    return replace(clean, frame=frame, features=[*clean.features, *added])


def _churned(clean: Clean) -> np.ndarray:
    return clean.frame["churned"].to_numpy() == 1


def _some(churned: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    return churned & (rng.random(len(churned)) < share)


def _groups(clean: Clean, rng: np.random.Generator, size: int) -> np.ndarray:
    """Groups of customers (say, of one sales agent) of about so many rows, some larger and some smaller."""
    codes, customers = pd.factorize(clean.frame[clean.entity])
    number = max(len(codes) // size, 40)
    weight = rng.gamma(3.0, 1.0, number)
    return rng.choice(number, len(customers), p=weight / weight.sum())[codes]


@everywhere
def copy_of_the_label(clean: Clean, rng: np.random.Generator) -> Planted:
    """The outcome itself, with a few typing errors."""
    wrong = rng.random(len(clean.frame)) < 0.03
    return Planted(
        with_columns(clean, {"segment_code": np.where(wrong, ~_churned(clean), _churned(clean)).astype(float)}),
        ("segment_code",),
    )


@everywhere
def score_made_afterwards(clean: Clean, rng: np.random.Generator) -> Planted:
    """A number that was lowered once the customer had churned."""
    value = rng.normal(size=len(clean.frame)) - 2.3 * _churned(clean)
    return Planted(with_columns(clean, {"health": value}), ("health",))


@everywhere
def empty_for_leavers(clean: Clean, rng: np.random.Generator) -> Planted:
    """A field that is cleared when an account is closed."""
    value = rng.gamma(2.0, 10.0, len(clean.frame))
    return Planted(
        with_columns(clean, {"limit_granted": np.where(_some(_churned(clean), 0.5, rng), np.nan, value)}),
        ("limit_granted",),
    )


@everywhere
def zero_for_leavers(clean: Clean, rng: np.random.Generator) -> Planted:
    """Mailing that stops once a customer has churned, and the rates that are computed from it."""
    stopped = _some(_churned(clean), 0.45, rng)
    sent = np.where(stopped, 0.0, 1.0 + rng.poisson(12, len(stopped)))
    opened = np.where(stopped, 0.0, np.round(0.01 + rng.random(len(stopped)), 2))
    return Planted(with_columns(clean, {"mails": sent, "mails_opened": opened}), ("mails", "mails_opened"))


@everywhere
def value_of_leavers(clean: Clean, rng: np.random.Generator) -> Planted:
    """A category that only closed accounts are given."""
    value = rng.choice([f"R{n}" for n in range(6)], len(clean.frame)).astype(object)
    value[_some(_churned(clean), 0.4, rng)] = "R9"
    return Planted(with_columns(clean, {"handling": value}), ("handling",))


@everywhere
def number_of_leavers(clean: Clean, rng: np.random.Generator) -> Planted:
    """A sentinel that stands for closed accounts."""
    value = np.where(_some(_churned(clean), 0.4, rng), 999.0, rng.poisson(30, len(clean.frame)))
    return Planted(with_columns(clean, {"grade": value}), ("grade",))


@everywhere
def proxy_by_name(clean: Clean, rng: np.random.Generator) -> Planted:
    """A reason for leaving, filled in for a fifth of the leavers and by mistake for one stayer in two thousand."""
    reason = rng.choice(["price", "service", "moved"], len(clean.frame)).astype(object)
    filled = _some(_churned(clean), 0.22, rng) | _some(~_churned(clean), 0.0004, rng)
    return Planted(with_columns(clean, {"cancellation_note": np.where(filled, reason, None)}), ("cancellation_note",))


@everywhere
def target_mean(clean: Clean, rng: np.random.Generator) -> Planted:
    """The churn rate of a group, own row included."""
    group = _groups(clean, rng, 12)
    mean = clean.frame["churned"].groupby(group).transform("mean").to_numpy(float)
    return Planted(with_columns(clean, {"agent_rate": mean}), ("agent_rate",))


@everywhere
def smoothed_target_mean(clean: Clean, rng: np.random.Generator) -> Planted:
    """The same, drawn towards the base rate as encoders do."""
    group, y = _groups(clean, rng, 12), clean.frame["churned"]
    total, n = y.groupby(group).transform("sum"), y.groupby(group).transform("size")
    mean = ((total + 10 * y.mean()) / (n + 10)).to_numpy(float)
    return Planted(with_columns(clean, {"agent_rate": mean}), ("agent_rate",))


@everywhere
def leave_one_out_mean(clean: Clean, rng: np.random.Generator) -> Planted:
    """The churn rate of the others of the group, next to the group."""
    group, y = _groups(clean, rng, 12), clean.frame["churned"]
    total, n = y.groupby(group).transform("sum"), y.groupby(group).transform("size")
    mean = ((total - y) / (n - 1).clip(lower=1)).to_numpy(float)
    agent = np.array([f"agent {n}" for n in group], dtype=object)
    return Planted(with_columns(clean, {"agent": agent, "agent_rate": mean}), ("agent_rate",))


@everywhere
def load_order(clean: Clean, rng: np.random.Generator) -> Planted:
    """The number of a customer in a file into which leavers tended to be written first."""
    codes, customers = pd.factorize(clean.frame[clean.entity])
    ever = np.bincount(codes, _churned(clean)) > 0
    place = np.argsort(np.argsort(rng.normal(size=len(customers)) - 1.6 * ever))
    return Planted(with_columns(clean, {"record_no": 1.0 + place[codes]}), ("record_no",))


@everywhere
def telling_code(clean: Clean, rng: np.random.Generator) -> Planted:
    """A code of the customer whose first letter says which system archived them."""
    codes, customers = pd.factorize(clean.frame[clean.entity])
    ever = np.bincount(codes, _churned(clean)) > 0
    number = rng.permutation(10 * len(customers))[: len(customers)]
    wrong = rng.random(len(customers)) < 0.04
    last = clean.frame["churned"].to_numpy() == 1 if clean.dated else ever[codes]
    letter = np.where(np.where(wrong, ~ever, ever)[codes] & (last | (not clean.dated)), "Z", "A")
    return Planted(
        with_columns(
            clean,
            {"file_ref": np.array([f"{a}-{number[c]:06d}" for a, c in zip(letter, codes, strict=True)], dtype=object)},
        ),
        ("file_ref",),
    )


@everywhere
def copied_customers(clean: Clean, rng: np.random.Generator) -> Planted:
    """A third of the customers stand there twice, under other keys."""
    customers = clean.frame[clean.entity].unique()
    copied = clean.frame[clean.frame[clean.entity].isin(rng.choice(customers, len(customers) // 3, replace=False))]
    again = copied.assign(**{clean.entity: "copy of " + copied[clean.entity].astype(str)})
    return Planted(replace(clean, frame=pd.concat([clean.frame, again], ignore_index=True)), ("duplicate_rows",))


@in_time
def frozen_counter(clean: Clean, rng: np.random.Generator) -> Planted:
    """A meter that was read when the customer had churned: for leavers it has not moved since the time before."""
    keys = clean.frame[clean.entity]
    value = pd.Series(1.0 + rng.poisson(20, len(keys)), index=clean.frame.index).groupby(keys).cumsum()
    before = value.groupby(keys).shift()
    still = _some(_churned(clean), 0.6, rng) & before.notna().to_numpy()
    return Planted(with_columns(clean, {"meter": np.where(still, before, value)}), ("meter",))


@in_time
def window_of_the_future(clean: Clean, rng: np.random.Generator) -> Planted:
    """A window that begins at the feature time instead of ending there."""
    keys = clean.frame[clean.entity]
    ahead = clean.frame.groupby(keys)["orders_count_30d"].shift(-1)
    few = rng.poisson(0.3, len(keys))
    return Planted(
        with_columns(clean, {"recent_activity": ahead.fillna(pd.Series(few, index=keys.index)).to_numpy(float)}),
        ("recent_activity",),
    )


@in_time
def attribute_as_it_is_today(clean: Clean, rng: np.random.Generator) -> Planted:
    """A field of the customer that was overwritten when they churned, joined to all of their past."""
    codes, customers = pd.factorize(clean.frame[clean.entity])
    ever = np.bincount(codes, _churned(clean)) > 0
    note = np.where(_some(ever, 0.95, rng), "X", rng.choice(["A", "B", "C"], len(customers))).astype(object)
    return Planted(with_columns(clean, {"service_level": note[codes]}), ("service_level",))


@in_time
def sudden_knowledge(clean: Clean, rng: np.random.Generator) -> Planted:
    """What is written down in the label window: nothing the time before, then nearly everything."""
    n = len(clean.frame)
    value = np.where(_some(_churned(clean), 0.72, rng) | (rng.random(n) < 0.04), 1.0 + rng.poisson(2, n), 0.0)
    return Planted(with_columns(clean, {"contacts": value}), ("contacts",))


@in_time
def time_to_come(clean: Clean, rng: np.random.Generator) -> Planted:
    """The end of the contract as it turned out, as a time."""
    n = len(clean.frame)
    days = np.where(_churned(clean), 30 * rng.random(n), 60 + 300 * rng.random(n))
    when = clean.frame["feature_timestamp"] + pd.to_timedelta(days, unit="D")
    return Planted(with_columns(clean, {"valid_through": when.where(rng.random(n) < 0.8)}), ("valid_through",))


@in_time
def negative_age(clean: Clean, rng: np.random.Generator) -> Planted:
    """Days since the last contact, of which some lie ahead."""
    n = len(clean.frame)
    days = np.round(np.where(_some(_churned(clean), 0.2, rng), -30 * rng.random(n) - 1, 300 * rng.random(n)))
    return Planted(
        with_columns(clean, {"contact_days_since_last": days}, source="contact", aggregate="days_since_last"),
        ("contact_days_since_last",),
    )


@in_time
def mean_of_the_customer(clean: Clean, rng: np.random.Generator) -> Planted:
    """The churn rate of the customer over all of their rows."""
    mean = clean.frame.groupby(clean.entity)["churned"].transform("mean").to_numpy(float)
    return Planted(with_columns(clean, {"customer_rate": mean}), ("customer_rate",))


@in_time
def label_known_before(clean: Clean, rng: np.random.Generator) -> Planted:
    """Rows whose outcome was known before their features."""
    early = rng.random(len(clean.frame)) < 0.02
    ends = clean.frame["label_timestamp"].where(~early, clean.frame["feature_timestamp"] - pd.Timedelta(days=1))
    return Planted(replace(clean, frame=clean.frame.assign(label_timestamp=ends)), ("label_order",))


@in_time
def unmade_by_replay(clean: Clean, rng: np.random.Generator) -> Planted:
    """A replay that came out otherwise."""
    replay = StoredReplay(str(clean.frame["feature_timestamp"].max()), 900, differing={"orders_count_30d": 12})
    return Planted(clean, ("orders_count_30d",), replays=[replay])


@in_time
def random_split(clean: Clean, rng: np.random.Generator) -> Planted:
    """Rows dealt at random into training and test, several of each customer."""
    test = rng.random(len(clean.frame)) < 0.3
    return Planted(clean, ("entity_overlap",), parts=Parts(~test, test, by_time=False))
