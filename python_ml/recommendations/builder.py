"""The proposals of a project in Python: looked at, decided, written, merged with what was decided before."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from python_ml.errors import UserError
from python_ml.recommendations import storage
from python_ml.recommendations.schema import DECIDED, Proposal, Status, order, proposal

if TYPE_CHECKING:
    from python_ml.onboarding.found import Found


class Recommendations:
    """Proposals by id. Nothing is changed in place: every decision gives a new object.

    Examples
    --------
    >>> from python_ml.recommendations import Recommendations, proposal
    >>> found = Recommendations([
    ...     proposal("silver", "orders", "window", "7d", "short", parameters={"window": "7d"}),
    ...     proposal("silver", "orders", "window", "90d", "long", parameters={"window": "90d"}),
    ... ])
    >>> decided = found.accept("silver.orders.window.*").reject("silver.orders.window.7d", note="too thin")
    >>> [(p.subject, p.status) for p in decided]
    [('7d', 'rejected'), ('90d', 'accepted')]
    """

    def __init__(self, proposals: Iterable[Proposal] = ()) -> None:
        self._by_id = {entry.id: entry for entry in sorted(proposals, key=order)}

    @classmethod
    def from_findings(cls, findings: Found) -> Recommendations:
        """Propose what the findings suggest.

        Parameters
        ----------
        findings : Found
            See :func:`python_ml.onboarding.found.read_found`.
        """
        from python_ml.recommendations.proposing import propose

        return cls(propose(findings))

    @classmethod
    def read(cls, path: Path | str) -> Recommendations:
        """Read ``recommendations.yaml``; a mistake in it raises a UserError that names the entry."""
        return cls(storage.read(Path(path)))

    def write(self, path: Path | str) -> Path:
        """Write ``recommendations.yaml``; the file stays untouched when it says the same already."""
        path, text = Path(path), self.to_yaml()
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def to_yaml(self) -> str:
        """The file's text."""
        return storage.write(self)

    def __iter__(self) -> Iterator[Proposal]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, name: str) -> bool:
        return name in self._by_id

    def __getitem__(self, name: str) -> Proposal:
        return self._by_id[self._matching(name)[0]]

    def get(self, name: str) -> Proposal | None:
        """A proposal by its id, or None."""
        return self._by_id.get(name)

    def accept(self, *names: str, note: str | None = None) -> Recommendations:
        """Accept proposals by id; ``*`` stands for anything (``gold.*``)."""
        return self._decide(names, "accepted", note)

    def reject(self, *names: str, note: str | None = None) -> Recommendations:
        """Reject proposals by id; ``*`` stands for anything."""
        return self._decide(names, "rejected", note)

    def accept_all(self) -> Recommendations:
        """Accept whatever nobody has decided yet."""
        return self._each(lambda p: p.model_copy(update={"status": "accepted"}) if p.status == "proposed" else p)

    def change(self, name: str, **parameters: Any) -> Recommendations:
        """Change parameters of a proposal; they are checked as those in the file are."""
        entry = self[name]
        changed = {**entry.model_dump(), "parameters": {**entry.parameters, **parameters}}
        return self._with(_made(changed))

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
        """Add a proposal of one's own, accepted; ``parameters`` as :data:`.schema.ACTIONS` describes them."""
        columns = parameters.pop("columns", None)
        from pydantic import ValidationError

        try:
            made = proposal(layer, table, action, subject, reason, columns=columns, parameters=parameters)
        except ValidationError as error:
            raise _mistake(error, f"{layer}.{table}.{action}.{subject}") from error
        return self._with(made.model_copy(update={"status": "accepted", "note": note or "added by hand"}))

    def merge(self, older: Recommendations, proposed_before: dict[str, dict[str, Any]]) -> Recommendations:
        """These proposals, with what was decided on older ones.

        Parameters
        ----------
        older : Recommendations
            As they stand in the project.
        proposed_before : dict of str to dict
            Parameters as they were proposed, by id: where the older ones differ, a person has changed them.

        Returns
        -------
        Recommendations
            A new proposal is ``proposed``. A decided one that is not proposed any more stays, as ``vanished``; one that
            nobody decided goes.
        """
        merged = {}
        for entry in self:
            old = older.get(entry.id)
            if old is None:
                merged[entry.id] = entry.model_copy(update={"status": "proposed"})
                continue
            kept: dict[str, Any] = {"status": old.status, "note": old.note}
            if entry.id not in proposed_before or old.parameters != proposed_before[entry.id]:
                kept["parameters"] = old.parameters
            merged[entry.id] = entry.model_copy(update=kept)
        for old in older:
            if old.id not in merged and old.status in DECIDED:
                by_hand = old.id not in proposed_before
                merged[old.id] = old if by_hand else old.model_copy(update={"vanished": True})
        return Recommendations(merged.values())

    def with_status(self, statuses: dict[str, Status]) -> Recommendations:
        """The same with other statuses, by id."""
        return self._each(lambda p: p.model_copy(update={"status": statuses.get(p.id, p.status)}))

    @property
    def counts(self) -> dict[str, int]:
        """Number of proposals by status."""
        found = dict.fromkeys(("proposed", "accepted", "rejected", "applied"), 0)
        for entry in self:
            found[entry.status] += 1
        return found

    def _matching(self, name: str) -> list[str]:
        found = [known for known in self._by_id if fnmatch.fnmatchcase(known, name)]
        if not found:
            close = difflib.get_close_matches(name, list(self._by_id), n=3, cutoff=0.5)
            raise UserError(
                f"There is no proposal `{name}`.",
                where=storage.FILE,
                hint=f"did you mean {' or '.join(close)}?" if close else "look its id up in the file",
            )
        return found

    def _decide(self, names: tuple[str, ...], status: Status, note: str | None) -> Recommendations:
        chosen = {found for name in names for found in self._matching(name)}

        def decided(entry: Proposal) -> Proposal:
            if entry.id not in chosen:
                return entry
            now = "applied" if status == "accepted" and entry.status == "applied" else status
            return entry.model_copy(update={"status": now, "note": note or entry.note})

        return self._each(decided)

    def _each(self, change: Callable[[Proposal], Proposal]) -> Recommendations:
        return Recommendations([change(entry) for entry in self])

    def _with(self, entry: Proposal) -> Recommendations:
        return Recommendations([*(known for known in self if known.id != entry.id), entry])


def _made(data: dict[str, Any]) -> Proposal:
    from pydantic import ValidationError

    try:
        return Proposal.model_validate(data)
    except ValidationError as error:
        raise _mistake(error, data["id"]) from error


def _mistake(error: Any, name: str) -> UserError:
    reason = error.errors()[0]["msg"].removeprefix("Value error, ")
    return UserError(f"A proposal does not keep to the schema: {reason}.", where=name, hint="correct it")
