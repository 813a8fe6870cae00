"""A file of labels: which columns hold the customer, the as-of time, the outcome, when it was known, the split."""

from __future__ import annotations

from datetime import datetime

from python_ml.errors import UserError
from python_ml.ingest import vocabulary
from python_ml.plan.roles import Roles
from python_ml.plan.schema import AsOf, LabelTable, Options, OutcomeChoice
from python_ml.profile.schema import OutcomeColumn, Profile, TableProfile

PARTS = ("entity", "time", "label", "known", "split")
_SPLIT_VALUES = {
    "train": {"train", "training", "tr", "fit", "learn"},
    "validation": {"validation", "val", "valid", "dev", "eval"},
    "test": {"test", "testing", "holdout", "hold-out", "oot", "out of time"},
}
_SPLIT = vocabulary.terms("split")
_LABEL = vocabulary.terms("label")
_KNOWN = vocabulary.terms("label_known")
DECIDED = vocabulary.terms("decided")
MOSTLY = 0.95  # share of rows


def label_column(table: TableProfile, options: Options) -> str:
    """The column of a file of labels with the outcome, as in the file.

    Raises
    ------
    UserError
        When ``--label-column`` names something that does not exist, or no column can be the outcome.
    """
    named = label_parts(table, options)
    if "label" in named:
        return table.column(named["label"]).raw_name
    taken = set(named.values())
    free = [c.column for c in table.columns if c.column.kind not in ("empty", "time") and c.column.name not in taken]
    candidates = [c for c in free if vocabulary.has_word(c.raw_name, _LABEL | vocabulary.CHURNED | vocabulary.RETAINED)]
    if candidates:
        best = max(candidates, key=lambda c: (c.distinct <= 20, vocabulary.has_word(c.raw_name, _LABEL)))
        return best.raw_name
    classes = [c for c in free if c.distinct == 2 and not vocabulary.has_word(c.raw_name, _SPLIT)]
    if len(classes) == 1:
        return classes[0].raw_name
    raise UserError(
        "No column of the labels holds the outcome." if not classes else "Several columns could be the outcome.",
        where=str(table.table.path),
        hint="name it `churned` (1 for churned, 0 for retained), or add --label-column label=COLUMN; columns: "
        + ", ".join(c.raw_name for c in (classes or [c.column for c in table.columns])[:30]),
    )


def label_parts(table: TableProfile, options: Options) -> dict[str, str]:
    """Safe columns by part, as ``--label-column`` names them."""
    named: dict[str, str] = {}
    for text in options.label_columns:
        part, mark, name = text.partition("=")
        part, name = part.strip().lower(), name.strip()
        if not mark or part not in PARTS:
            raise UserError(
                f"`{text}` names no part of the labels.",
                where="--label-column",
                hint=f"write PART=COLUMN, where PART is one of {', '.join(PARTS)}",
            )
        column = table.table.column(name)
        if column is None:
            raise UserError(
                f"The labels have no column `{name}`.",
                where=f"--label-column, {table.table.path}",
                hint=f"choose one of {table.table.column_names}",
            )
        if part in named or column.name in named.values():
            raise UserError(
                f"`{text}` names a part or a column a second time.",
                where="--label-column",
                hint="name each part once, and a different column for each",
            )
        named[part] = column.name
    return named


def choose_labels(
    profile: Profile, roles: Roles, options: Options, outcome: OutcomeColumn, names: dict[str, str]
) -> OutcomeChoice:
    """A file of labels: customer, as-of time, outcome."""
    table = profile.table(options.labels)
    named = label_parts(table, options)
    reviews = [outcome.warning] if outcome.warning else []
    as_of = _label_time(table, named, names)
    used = {named.get("entity", ""), outcome.column, as_of.column and _safe(names, as_of.column)}
    known = _known(table, named, used, _safe(names, as_of.column))
    split, values = _split(table, named, used | {known})
    if (options.validation_from or options.test_from) and split:
        if "split" in named:
            raise UserError(
                "The split is given twice: by a column and by dates.",
                where="--label-column, --val-from, --test-from",
                hint="keep one of them",
            )
        split, values = "", {}
    labels = profile.labels
    unlabelled = labels is not None and labels.newest_unlabelled is not None and labels.newest_unlabelled >= labels.last
    meaning = meaning_of(table, outcome)
    scenario = "production" if known or options.horizon else "partial"
    known_text = "and when the outcome was known" if scenario == "production" else "but not when the outcome was known"
    return OutcomeChoice(
        LabelTable(
            table.name,
            names[outcome.column],
            outcome.churned,
            table.column(outcome.column).raw_name,
            as_of,
            known=names.get(known, ""),
            split=names.get(split, ""),
            split_values=values,
            scores="unlabelled" if unlabelled else "active",
            activity=roles.activity,
            scenario="production",
            scenario_reason=f"the labels give the as-of time of each customer, {known_text}",
            meaning=meaning,
        ),
        f"{meaning}: {outcome.reason}",
        "--labels",
        tuple(reviews),
    )


def _safe(names: dict[str, str], name: str) -> str:
    return next((safe for safe, made in names.items() if made == name), "")


def meaning_of(table: TableProfile, outcome: OutcomeColumn) -> str:
    return f"churned = {table.column(outcome.column).raw_name} is {' or '.join(outcome.churned)}"


def label_time(table: TableProfile, named: dict[str, str]) -> str:
    """Safe name of the column with the as-of time of labels; empty where all have a single one."""
    if "time" in named:
        if table.column(named["time"]).kind not in ("time", "constant"):
            raise _no_label_time(table, named["time"])
        return named["time"]
    times = [c.column for c in table.columns if c.column.kind == "time" and c.column.readable_share >= 0.5]
    first = table.time.column if table.time else ""
    times.sort(key=lambda c: (vocabulary.has_word(c.raw_name, _KNOWN | DECIDED), c.name != first))
    return times[0].name if times else ""


def _no_label_time(table: TableProfile, name: str) -> UserError:
    raw = table.column(name).raw_name
    return UserError(
        f"The values of `{raw}` cannot be read as dates or times.",
        where=f"{table.table.path}, --label-column time={raw}",
        hint="write them as 2024-01-31 or 2024-01-31 18:30:00, or name another column",
    )


def _label_time(table: TableProfile, named: dict[str, str], names: dict[str, str]) -> AsOf:
    column = label_time(table, named)
    if column and table.column(column).kind == "time":
        return AsOf("column", names[column], text=f"`{table.column(column).raw_name}` of the labels")
    for measured in table.columns:
        single = measured.column
        if single.kind != "constant" or not single.values or (column and single.name != column):
            continue
        try:
            value = datetime.fromisoformat(single.values[0][0])
        except ValueError:
            continue
        return AsOf("constant", value=value.isoformat(" "), text=f"`{single.raw_name}` of the labels: one time for all")
    if "time" in named:
        raise _no_label_time(table, column)
    raise UserError(
        "No column of the labels gives the as-of time.",
        where=str(table.table.path),
        hint="add the time at which each customer is looked at (as 2024-01-31), or name it with --label-column "
        "time=COLUMN; a table with an outcome and without times is given with --outcome",
    )


def _known(table: TableProfile, named: dict[str, str], used: set[str], as_of: str) -> str:
    """The column with the time at which the outcome was known: filled for all, and not before the as-of time."""
    possible = [named["known"]] if "known" in named else [c.column.name for c in table.columns]
    for name in possible:
        column = table.column(name)
        if "known" not in named and (
            name in used or column.kind != "time" or not vocabulary.has_word(column.raw_name, _KNOWN | DECIDED)
        ):
            continue
        pair = table.time_pair(as_of, name)
        if pair is not None:
            share = pair.ordered / max(table.rows, 1)
        else:
            share = 0.0 if as_of else column.fill_share
        if share >= (0.999 if "known" in named else MOSTLY):
            return name
        if "known" in named:
            raise UserError(
                f"`{column.raw_name}` does not give the time at which each outcome was known: it is filled, and not "
                f"before the as-of time, in only {share:.1%} of the rows.",
                where=f"{table.table.path}, --label-column known={column.raw_name}",
                hint="bring it for churned and retained alike, or give the length of the label window with --horizon",
            )
    return ""


def _split(table: TableProfile, named: dict[str, str], used: set[str]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """The column with train, validation or test, with its values by part."""
    for measured in table.columns:
        column = measured.column
        if named.get("split", column.name) != column.name or column.name in used:
            continue
        if "split" not in named and not vocabulary.has_word(column.raw_name, _SPLIT):
            continue
        values = sorted({v.strip().lower() for v, _ in column.values})
        parts = {
            part: tuple(v for v in values if v.replace("_", " ") in spellings)
            for part, spellings in _SPLIT_VALUES.items()
        }
        parts = {part: known for part, known in parts.items() if known}
        strange = [v for v in values if not any(v in known for known in parts.values())]
        if values and not strange and {"train", "test"} <= set(parts):
            return column.name, parts
        if "split" in named or parts:
            what = ", ".join(map(repr, strange[:5])) if strange else f"no {'test' if 'train' in parts else 'train'}"
            raise UserError(
                f"The split `{column.raw_name}` holds {what}.",
                where=f"{table.table.path}, column {column.raw_name}",
                hint="write train, validation (or none) and test",
            )
    return "", {}
