"""The actions of a project: proposed, decided, written to ``recommendations.yaml``, read back, merged."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from python_ml.durations import window_hours
from python_ml.errors import UserError
from python_ml.plan.actions import ACTIONS, DECIDED, LAYERS, Action, Status

FILE = "recommendations.yaml"
VERSION = 2
ITERATION = "iteration"  # in the evidence: proposed after a training of that number, not from the raw files
_HEADER = """What could be done to the data, layer by layer. Set `status` to accepted or rejected, change `parameters`,
add a `note`; then run `retention generate`. `applied` means accepted, and in the generated code. `retention recommend`
profiles the files again and keeps what was decided here. Other comments than notes are not kept."""
_ENTRY = {"id", "layer", "action", "parameters", *Action.model_fields} - {"subject"}


def action_order(action: Action) -> tuple:
    """Place of an action in the file: by layer, table, action, subject; windows from short to long."""
    subject = f"{window_hours(action.subject):020.1f}" if action.action == "window" else action.subject
    return LAYERS.index(action.layer), action.table, list(ACTIONS).index(action.action), subject


class Recommendations:
    """Actions by id. Nothing is changed in place: every decision gives a new object.

    Parameters
    ----------
    actions : iterable of Action

    Examples
    --------
    >>> from python_ml.plan import Recommendations
    >>> from python_ml.plan.actions.silver import UseWindow
    >>> proposed = Recommendations(UseWindow(table="orders", subject=w, window=w) for w in ("7d", "90d"))
    >>> decided = proposed.accept("silver.orders.window.*").reject("silver.orders.window.7d", note="too thin")
    >>> [(a.subject, a.status) for a in decided]
    [('7d', 'rejected'), ('90d', 'accepted')]
    """

    def __init__(self, actions: Iterable[Action] = ()) -> None:
        self._by_id = {action.id: action for action in sorted(actions, key=action_order)}

    @classmethod
    def read(cls, path: Path | str) -> Recommendations:
        """Read ``recommendations.yaml``.

        Raises
        ------
        UserError
            When the file is missing or is no YAML, or an entry does not follow the schema; names the line.
        """
        return cls(_read(Path(path)))

    def write(self, path: Path | str) -> Path:
        """Write ``recommendations.yaml``; a file with the same text is left as it is."""
        from python_ml.files import write_text

        path, text = Path(path), self.to_yaml()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
        return path

    def to_yaml(self) -> str:
        """The text of the file."""
        from python_ml.yaml_io import OneLine, OneLineList, dump

        entries = []
        for action in self:
            data = action.model_dump(mode="json")
            entry: dict[str, Any] = {"id": action.id, "status": action.status, "layer": action.layer}
            entry |= {"table": action.table, "action": action.action, "columns": OneLineList(action.columns)}
            for part, values in (("parameters", action.parameters), ("evidence", data["evidence"])):
                values = {k: OneLineList(v) if isinstance(v, list) else v for k, v in values.items()}
                flat = sum(len(str(v)) + len(k) for k, v in values.items()) < 90
                entry[part] = OneLine(values) if flat else values
            entry |= {"reason": data["reason"], "note": data["note"], "vanished": data["vanished"]}
            entries.append({key: value for key, value in entry.items() if value not in ({}, [], None, False)})
        return dump({"version": VERSION, "proposals": entries}, _HEADER).replace("\n  - id: ", "\n\n  - id: ")

    def __iter__(self) -> Iterator[Action]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, name: str) -> bool:
        return name in self._by_id

    def __getitem__(self, name: str) -> Action:
        return self._by_id[self._matching(name)[0]]

    def get(self, name: str) -> Action | None:
        """An action by its id, or None."""
        return self._by_id.get(name)

    def accept(self, *names: str, note: str | None = None) -> Recommendations:
        """Accept actions by id; ``*`` stands for anything (``gold.*``)."""
        return self._decide(names, "accepted", note)

    def reject(self, *names: str, note: str | None = None) -> Recommendations:
        """Reject actions by id; ``*`` stands for anything."""
        return self._decide(names, "rejected", note)

    def accept_safe(self) -> Recommendations:
        """Accept whatever nobody has decided yet and cannot destroy real values."""
        return self._each(
            lambda a: a.model_copy(update={"status": "accepted"}) if a.status == "proposed" and a.may_be_accepted else a
        )

    def change(self, name: str, **parameters: Any) -> Recommendations:
        """Change parameters of an action; they are checked as those in the file are."""
        action = self[name]
        return self._with(_made(type(action), {**action.model_dump(), **parameters}, action.id))

    def add(
        self,
        layer: str,
        table: str,
        action: str,
        subject: str,
        reason: str,
        *,
        note: str | None = None,
        **parameters: Any,
    ) -> Recommendations:
        """Add an accepted action of one's own."""
        kind = ACTIONS.get(action)
        if kind is None or kind.layer != layer:
            known = ", ".join(a for a, k in ACTIONS.items() if k.layer == layer)
            raise UserError(f"There is no action `{action}` of {layer}.", where=FILE, hint=f"choose one of {known}")
        data = {"columns": [subject], "table": table, "subject": subject, "reason": reason, **parameters}
        made = _made(kind, data, f"{layer}.{table}.{action}.{subject}")
        return self._with(made.model_copy(update={"status": "accepted", "note": note or "added by hand"}))

    def merge(self, older: Recommendations, proposed_before: dict[str, dict[str, Any]]) -> Recommendations:
        """These actions, with what was decided on older ones.

        Parameters
        ----------
        older : Recommendations
            As they stand in the project.
        proposed_before : dict of str to dict
            Parameters as they were proposed, by id: where the older ones differ, a person has changed them.

        Returns
        -------
        Recommendations
            A new action is ``proposed``. A decided one that is not proposed any more stays, as ``vanished``; one that
            nobody decided goes, unless an iteration proposed it.
        """
        merged = {}
        for action in self:
            old = older.get(action.id)
            if old is None:
                merged[action.id] = action.model_copy(update={"status": "proposed"})
                continue
            kept: dict[str, Any] = {"status": old.status, "note": old.note}
            if action.id not in proposed_before or old.parameters != proposed_before[action.id]:
                kept |= {name: getattr(old, name) for name in old.parameter_names()}
            merged[action.id] = action.model_copy(update=kept)
        for old in older:
            from_a_model = ITERATION in old.evidence and old.id not in proposed_before
            if old.id not in merged and (old.status in DECIDED or from_a_model):
                by_hand = old.id not in proposed_before
                merged[old.id] = old if by_hand else old.model_copy(update={"vanished": True})
        return Recommendations(merged.values())

    def with_applied(self, applied: set[str]) -> Recommendations:
        """The same with the status of accepted actions: ``applied`` for those in the code, else ``accepted``."""
        return self._each(
            lambda a: (
                a.model_copy(update={"status": "applied" if a.id in applied else "accepted"}) if a.is_accepted else a
            )
        )

    @property
    def counts(self) -> dict[str, int]:
        """Number of actions by status."""
        counts = dict.fromkeys(("proposed", "accepted", "rejected", "applied"), 0)
        for action in self:
            counts[action.status] += 1
        return counts

    def _matching(self, name: str) -> list[str]:
        matching = [known for known in self._by_id if fnmatch.fnmatchcase(known, name)]
        if not matching:
            close = difflib.get_close_matches(name, list(self._by_id), n=3, cutoff=0.5)
            raise UserError(
                f"There is no recommendation `{name}`.",
                where=FILE,
                hint=f"did you mean {' or '.join(close)}?" if close else "see the ids in the file",
            )
        return matching

    def _decide(self, names: tuple[str, ...], status: Status, note: str | None) -> Recommendations:
        chosen = {match for name in names for match in self._matching(name)}

        def decided(action: Action) -> Action:
            if action.id not in chosen:
                return action
            now = "applied" if status == "accepted" and action.status == "applied" else status
            return action.model_copy(update={"status": now, "note": note or action.note})

        return self._each(decided)

    def _each(self, change: Callable[[Action], Action]) -> Recommendations:
        return Recommendations([change(action) for action in self])

    def _with(self, action: Action) -> Recommendations:
        return Recommendations([*(known for known in self if known.id != action.id), action])


def _made(kind: type[Action], data: dict[str, Any], name: str) -> Action:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise UserError(f"A recommendation does not follow the schema: {_first(error, kind)}.", where=name) from error


def _first(error: ValidationError, kind: type[Action]) -> str:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        known = ", ".join(sorted(kind.parameter_names())) or "none"
        return f"there is no `{place}`; parameters of `{kind.action}`: {known}"
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message


def _read(path: Path) -> list[Action]:
    from python_ml.yaml_io import parsed

    if not path.exists():
        raise UserError("There are no recommendations yet.", where=str(path), hint="run `retention recommend` first")
    with parsed(path, "recommendations") as (loader, node):
        data = loader.construct_document(node) if node is not None else {}
    is_valid = isinstance(data, dict) and not set(data) - {"version", "proposals"}
    if not is_valid or not isinstance(data.get("proposals"), list):
        raise UserError(
            "The recommendations must be a mapping with `version` and a list of `proposals`.",
            where=str(path),
            hint="undo the edit, or delete the file and run `retention recommend`",
        )
    if data.get("version") != VERSION:
        raise UserError(
            f"The recommendations have version {data.get('version')!r}; this program knows {VERSION}.",
            where=str(path),
            hint="delete the file and run `retention recommend`, or use the version that wrote it",
        )
    entries = next(value for key, value in node.value if key.value == "proposals")
    lines = [child.start_mark.line + 1 for child in entries.value]
    actions: list[Action] = []
    seen: dict[str, int] = {}
    for entry, line in zip(data["proposals"], lines, strict=True):
        actions.append(_checked(entry, path, line))
        name = actions[-1].id
        if name in seen:
            raise UserError(
                f"The recommendation {name} exists twice.",
                where=f"{path}, lines {seen[name]} and {line}",
                hint="keep one of the two",
            )
        seen[name] = line
    return actions


def _checked(entry: Any, path: Path, line: int) -> Action:
    """One entry of the file as an action."""
    hint = "correct it, or delete the entry: `retention recommend` proposes it again"
    name = entry.get("id", "without an id") if isinstance(entry, dict) else "that is no mapping"
    where = f"{path}, line {line}, entry {name}"

    def mistake(text: str, hint: str = hint) -> UserError:
        return UserError(f"A recommendation does not follow the schema: {text}.", where=where, hint=hint)

    if not isinstance(entry, dict):
        raise mistake("it is no mapping")
    for key in entry:
        if key not in _ENTRY:
            close = difflib.get_close_matches(str(key), sorted(_ENTRY), n=1)
            raise mistake(f"there is no `{key}` in an entry", f"did you mean `{close[0]}`?" if close else hint)
    kind = ACTIONS.get(str(entry.get("action")))
    if kind is None:
        raise mistake(f"there is no action `{entry.get('action')}`; known: {', '.join(ACTIONS)}")
    if entry.get("layer") != kind.layer:
        raise mistake(f"`{kind.action}` belongs to {kind.layer}, not to {entry.get('layer')}")
    parts = str(name).split(".")
    if len(parts) != 4 or parts[:3] != [kind.layer, str(entry.get("table")), kind.action]:
        raise mistake(f"the id must be {kind.layer}.{entry.get('table')}.{kind.action}.<subject>")
    parameters = entry.get("parameters") or {}
    if not isinstance(parameters, dict):
        raise mistake("parameters must be a mapping")
    if shared := set(parameters) & set(Action.model_fields):
        raise mistake(f"there is no `{sorted(shared)[0]}` among the parameters")
    data = {k: v for k, v in entry.items() if k not in ("id", "layer", "action", "parameters") and v is not None}
    try:
        return kind.model_validate({**data, "subject": parts[3], **parameters})
    except ValidationError as error:
        raise mistake(_first(error, kind)) from error
