"""Makes snapshots of a project until it is ended: `python -m tests.python.snapshot_maker FOLDER [HOW MANY]`.

Says the id of every snapshot; the first one also imports everything, so that those after it are quick.
"""

from __future__ import annotations

import itertools
import sys
from datetime import datetime

from python_ml.project import Project
from python_ml.snapshots import create_snapshot

if __name__ == "__main__":
    project = Project.open(sys.argv[1])
    for _ in range(int(sys.argv[2])) if len(sys.argv) > 2 else itertools.count():
        print(create_snapshot(project, datetime(2024, 1, 1))[0].id, flush=True)
