"""Requests that are refused, and the one form in which the reason is given."""

from __future__ import annotations

from typing import Any

MOST_DETAILS = 20


class RefusalError(Exception):
    """A request that is refused.

    Parameters
    ----------
    status : int
        Of HTTP.
    code : str
        For programs, such as ``unknown_customer``.
    reason : str
        For people, in one sentence; without values of customers.
    details : list of dict, optional
        What is wrong with which part of the request; the first 20 are kept.
    retry_after : int, optional
        Seconds after which it is worth another try.
    """

    def __init__(
        self,
        status: int,
        code: str,
        reason: str,
        *,
        details: list[dict[str, Any]] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.code, self.reason = status, code, reason
        self.details, self.retry_after = (details or [])[:MOST_DETAILS], retry_after

    @property
    def document(self) -> dict[str, Any]:
        """The body of the response."""
        return {"error": {"code": self.code, "reason": self.reason, "details": self.details}}

    @property
    def headers(self) -> dict[str, str]:
        """Headers that belong to it."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return {**headers, "WWW-Authenticate": "Bearer"} if self.status == 401 else headers


def busy(reason: str) -> RefusalError:
    """The server has too much to do."""
    return RefusalError(503, "busy", reason, retry_after=1)
