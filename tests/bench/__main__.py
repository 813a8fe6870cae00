"""`make bench`: print the measurements and write them to bench.json."""

from __future__ import annotations

import json
from pathlib import Path

from tests.bench.windows import measure


def main() -> None:
    """Measure and print; L is one scan of the events and one group-by per customer."""
    rows = measure(1_000_000, (1, 12), with_textbook=True)
    print(f"{'events':>12} {'dates':>6} {'L (s)':>8} {'ours (x L)':>11} {'textbook (x L)':>15} {'textbook / ours':>16}")
    for row in rows:
        print(
            f"{row['events']:>12,} {row['dates']:>6} {row['floor_seconds']:>8.2f} {row['ours_in_floors']:>11.1f} "
            f"{row['textbook_in_floors']:>15.1f} {row['textbook_in_ours']:>16.1f}"
        )
    Path("bench.json").write_text(json.dumps({"windows": rows}, indent=2) + "\n", encoding="utf-8")
    print("written to bench.json")


if __name__ == "__main__":
    main()
