"""Which options of ``retention init`` can be used together, before any file is read."""

from __future__ import annotations

from pathlib import Path

from python_ml.errors import UserError
from python_ml.plan.calendar import DURATIONS, days_of
from python_ml.plan.schema import Options


def check_options(options: Options, labels: Path | None) -> None:
    """Refuse durations that cannot be used, and options that mean nothing without another.

    Parameters
    ----------
    options : Options
    labels : Path or None
        File of labels.

    Raises
    ------
    UserError
        For text that is no duration; for a horizon, step or active window of zero; for options that contradict or lack
        one another.
    """
    for name in DURATIONS:
        value = getattr(options, name)
        if value is not None and days_of(value, name) <= 0 and name != "gap":
            raise UserError(
                f"`{value}` has no length.", where=f"--{name.replace('_', '-')}", hint="choose more than zero"
            )
    if options.outcome is not None and labels is not None:
        raise UserError(
            "A project has an outcome column or a file of labels, not both.",
            where="--outcome, --labels",
            hint="name the column of a table with --outcome, or bring a file of labels besides events",
        )
    either = options.outcome or labels
    for flag, is_given, has, what in (
        ("--positive", options.positive is not None, either, "--outcome or --labels"),
        ("--exclude-columns", bool(options.exclude_columns), options.outcome, "--outcome"),
        ("--as-of", options.as_of is not None, options.outcome, "--outcome"),
        ("--label-column", bool(options.label_columns), labels, "--labels"),
        ("--val-from, --test-from", bool(options.validation_from or options.test_from), labels, "--labels"),
    ):
        if is_given and has is None:
            raise UserError(
                f"{flag} means nothing without {what}.", where=flag, hint=f"add {what}, or leave {flag} out"
            )
    if options.time is not None and options.time in options.entity:
        raise UserError(
            f"`{options.time}` cannot be both the customer and the time.",
            where="--entity, --time",
            hint="name two columns",
        )
