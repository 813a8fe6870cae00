"""``retention text``: what texts became."""

from __future__ import annotations

import click

from python_ml.cli import text_label


@click.group("text")
def command() -> None:
    """Label texts.

    Reads and writes the warehouse. Each command below has its own --help.

    Exit codes: 0 done, 1 internal error, 2 invalid input or usage.

    \b
    Example: retention text label tickets.body
    """


command.add_command(text_label.command)
