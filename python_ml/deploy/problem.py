"""What is wrong with a bundle."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing that would fail, or do harm, once the bundle is deployed.

    Attributes
    ----------
    name : str
        What is wrong, as it is written: a model, file, variable, target, key, option or field.
    what : str
        The problem, in one sentence that has the name.
    where : str
        File and place in it.
    """

    name: str
    what: str
    where: str

    def to_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return asdict(self)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"
