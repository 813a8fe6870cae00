"""The arguments of ``retention_job``: environment variables, secrets and a command, which a task of a job passes.

A task on serverless compute can set no environment variables, and its parameters must hold no secrets: both are what
the commands of ``retention`` read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from python_ml.errors import UserError

SET, SECRETS = "--set", "--secrets"


@dataclass(frozen=True)
class JobArguments:
    """Variables by name, ``scope/key`` of secrets by name, and the command with its options."""

    variables: dict[str, str]
    secrets: dict[str, str]
    command: tuple[str, ...]


def parse_arguments(arguments: Sequence[str]) -> JobArguments:
    """Take the arguments apart.

    Parameters
    ----------
    arguments : sequence of str
        ``--set NAME=VALUE,…`` and ``--secrets NAME=scope/key,…``, both optional, then a command of ``retention``.

    Raises
    ------
    UserError
        When a pair is not written like this, or there is no command.
    """
    given: dict[str, dict[str, str]] = {SET: {}, SECRETS: {}}
    rest = list(arguments)
    while rest and rest[0] in given:
        option = rest.pop(0)
        if not rest:
            raise UserError(f"{option} has no value.", where="retention_job", hint=f"write {option} NAME=VALUE,…")
        given[option] |= _pairs(option, rest.pop(0))
    if not rest:
        raise UserError(
            "There is no command.", where="retention_job", hint="end the parameters with a command, such as score"
        )
    return JobArguments(given[SET], given[SECRETS], tuple(rest))


def _pairs(option: str, text: str) -> dict[str, str]:
    pairs = {}
    for pair in filter(None, re.split(r",\s*", text.strip())):
        name, separator, value = pair.partition("=")
        if not separator or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise UserError(f"`{pair}` is not NAME=VALUE.", where=f"retention_job, {option}", hint="separate by commas")
        if option == SECRETS and not re.fullmatch(r"[^/]+/[^/]+", value):
            raise UserError(f"`{value}` is not scope/key.", where=f"retention_job, {name}", hint="name both")
        pairs[name] = value
    return pairs
