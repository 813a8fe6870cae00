"""``python -m tests.lint_sql lint ...`` is ``sqlfluff lint ...`` in half the time.

sqlfluff keeps large trees of small objects, which Python's garbage collector would search again and again.
"""

from __future__ import annotations

import gc

# At the top, since the processes that sqlfluff spawns import this module as well.
gc.set_threshold(200_000, 50, 100)

if __name__ == "__main__":
    from sqlfluff.cli.commands import cli

    cli(prog_name="sqlfluff")
