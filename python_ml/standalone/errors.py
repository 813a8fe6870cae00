"""The errors of the notebooks; the package's own have hints that name its commands."""

from __future__ import annotations


class PipelineError(Exception):
    """Something that a person has to put right.

    Parameters
    ----------
    what : str
        What is wrong, in one sentence.
    where : str, optional
        File, table or setting that it concerns.
    hint : str, optional
        Not shown: it speaks of commands that are not there.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(f"{what} ({where})" if where else what)
        self.hint = hint


# The copied modules know it by the name that it has in the package.
UserError = PipelineError
