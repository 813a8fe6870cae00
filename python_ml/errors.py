"""The errors that reach a person, each with the exit code that the command line ends with."""

from __future__ import annotations


class RetentionError(Exception):
    """Base of every error that is explained rather than traced.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence.
    where : str, optional
        File, line, column or table that it concerns.
    hint : str, optional
        What the user can do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.what]
        if self.where:
            lines.append(f"  where:   {self.where}")
        if self.hint:
            lines.append(f"  hint:    {self.hint}")
        return "\n".join(lines)


class UserError(RetentionError):
    """Bad input or usage: exit code 2."""

    exit_code = 2


class GateError(RetentionError):
    """A gate (replay, leakage, quality, drift, champion comparison) said no: exit code 3."""

    exit_code = 3
