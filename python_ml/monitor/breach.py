"""A breach: something that went beyond its threshold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Breach:
    """Something that went beyond its threshold.

    Attributes
    ----------
    part : str
        Which part noticed it: ``drift`` or ``performance``.
    what : str
        For the terminal.
    since : datetime or None
        First period of the unbroken series in which it was not ok.
    subject : str
        What it is about, the same in every run.
    message : str
        As ``what``, without values of the data: it is sent to others.
    """

    part: str
    what: str
    since: datetime | None
    subject: str
    message: str
