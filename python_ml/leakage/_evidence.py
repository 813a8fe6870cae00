"""What a replay has shown, as evidence for the probes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class StoredReplay:
    """Outcome of a replay of features that have not changed since.

    Attributes
    ----------
    as_of : str
        The feature time.
    rows, missing, unexpected : int
        Stored rows of that time, those that the replay did not make, and those that only the replay made.
    differing : dict of str to int
        Columns with unequal values, and in how many rows.
    """

    as_of: str
    rows: int
    missing: int = 0
    unexpected: int = 0
    differing: dict[str, int] = field(default_factory=dict)

    @property
    def identical(self) -> bool:
        """Whether the replay gave exactly the stored rows."""
        return not (self.missing or self.unexpected or self.differing)
