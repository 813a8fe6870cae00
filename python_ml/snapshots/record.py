"""The record of a snapshot, and the seal that protects it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from python_ml.dbt import Feature

FORMAT = 1
SEAL_IN_ID = 12
_FACTS = (
    "format", "number", "parent", "created_at", "cutoff", "source", "key", "rows", "types", "content_sha256", "summary",
    "definitions", "features", "code",
)  # fmt: skip


class RecordError(ValueError):
    """A record of a snapshot that is incomplete, or was changed."""


@dataclass(frozen=True)
class Snapshot:
    """A snapshot, as its record describes it.

    Attributes
    ----------
    facts : dict
        What the seal covers: ``number``, ``parent``, ``created_at``, ``cutoff``, ``source``, ``key`` (the entity and
        the feature time), ``rows``, ``types`` (pairs of name and canonical type, in order), ``content_sha256``,
        ``summary``, ``definitions`` (dbt's variables), ``features`` (the registry), ``code``.
    """

    facts: dict[str, Any]

    @classmethod
    def of(cls, **facts: Any) -> Snapshot:
        """Make a record of facts; values that JSON does not know are written as text."""
        return cls(json.loads(json.dumps({"format": FORMAT, **facts}, default=str)))

    @classmethod
    def read(cls, text: str, snapshot_id: str) -> Snapshot:
        """Read a record, and check it against its seal and the name of its entry.

        Raises
        ------
        RecordError
            When it was changed.
        """
        try:
            document = json.loads(text)
            snapshot, seal = cls(dict(document["snapshot"])), document["seal"]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise RecordError("its record cannot be read") from error
        if seal != snapshot.seal or snapshot_id != snapshot.id:
            raise RecordError("its record was changed: the seal does not fit")
        if snapshot.facts.get("format") != FORMAT or any(name not in snapshot.facts for name in _FACTS):
            raise RecordError("its record has a format that this version does not know")
        return snapshot

    @property
    def seal(self) -> str:
        """SHA-256 over the facts, the digest of the content among them."""
        text = json.dumps(self.facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def id(self) -> str:
        """Number and the beginning of the seal: no other snapshot ever has it, and no other record fits it."""
        return f"{self.facts.get('number')}-{self.seal[:SEAL_IN_ID]}"

    @property
    def number(self) -> int:
        return self.facts["number"]

    @property
    def cutoff(self) -> datetime | None:
        """Naive UTC; None where rows have no dates."""
        return None if self.facts["cutoff"] is None else datetime.fromisoformat(self.facts["cutoff"])

    @property
    def key(self) -> list[str]:
        return self.facts["key"]

    @property
    def entity(self) -> str:
        return self.key[0]

    @property
    def rows(self) -> int:
        return self.facts["rows"]

    @property
    def types(self) -> dict[str, str]:
        """Canonical type of each column, in their order."""
        return dict(self.facts["types"])

    @property
    def content_sha256(self) -> str:
        return self.facts["content_sha256"]

    @property
    def definitions(self) -> dict[str, Any]:
        """dbt's variables when it was made."""
        return self.facts["definitions"]

    @property
    def features(self) -> list[Feature]:
        """The feature registry when it was made."""
        from python_ml.dbt import Feature

        return [Feature(**feature) for feature in self.facts["features"]]

    def to_json(self) -> str:
        """The record with its seal, as it is stored."""
        return json.dumps({"seal": self.seal, "snapshot": self.facts}, indent=2, ensure_ascii=False) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """The facts with id and seal, as plain data."""
        return {"id": self.id, "seal": self.seal, **self.facts}
