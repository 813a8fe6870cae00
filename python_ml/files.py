"""Files that are there as a whole or not at all: whoever reads one sees the old content or the new."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a draft beside ``path``, which takes its place when the block ends, and is gone when it fails.

    Parameters
    ----------
    path : Path
        Its folder is made when it is missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name of this process's own: two that write the same file do not write into each other's draft.
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield draft
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, in which lines end alike everywhere.

    JSON and CSV can smuggle in half of a surrogate pair, which UTF-8 cannot carry: it becomes a question mark.
    """
    with replacing(path) as draft:
        draft.write_bytes(text.encode("utf-8", errors="replace"))
