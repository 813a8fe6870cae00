"""Canaries: planted leaks of every class are found, clean worlds and data sets raise nothing critical.

    python -m tests.bench.leakage                   five seeds of every class, every clean world and data set
    python -m tests.bench.leakage --seeds 1,2       other seeds
    python -m tests.bench.leakage --data FOLDER     real data sets elsewhere; those that are not there are left out

A leak is found when its column (or rows) is critical; a false alarm is a critical finding about anything else. The
thresholds were chosen on seeds 1 and 2; the default seeds took no part in that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from python_ml.leakage import CRITICAL, HIGH, probe_training_set
from python_ml.model.replay_evidence import StoredReplay
from python_ml.simulate import SMALL_WORLD
from tests.canaries import graded, planting, worlds

from .commands import keep, parser

SEEDS = (31, 32, 33, 34, 35)
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
WORLDS = {
    "contract": lambda seed: worlds.contractual(1_500, 18, seed),
    "shop": lambda seed: worlds.shop(1_500, 18, seed),
    "no dates": lambda seed: worlds.undated(4_000, seed),
}


def planted(seeds: tuple[int, ...]) -> dict[tuple[str, str], dict[str, Any]]:
    """Plant every class into each kind of world: how often it was found, by which probes, and other alarms."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for kind, make in WORLDS.items():
        plants = planting.UNDATED if kind == "no dates" else planting.DATED
        for seed in seeds:
            clean = make(seed)
            for number, (name, plant) in enumerate(plants.items()):
                leak = plant(clean, np.random.default_rng([seed, number]))
                findings = planting.criticals(leak)
                row = rows.setdefault((name, kind), {"of": 0, "found": 0, "probes": set(), "others": []})
                row["of"] += 1
                row["found"] += {finding.name for finding in findings} >= set(leak.expected)
                row["probes"] |= {finding.probe for finding in findings if finding.name in leak.expected}
                row["others"] += [f"{f.name} ({f.probe})" for f in findings if f.name not in leak.expected]
    return rows


def graded_recall(seeds: tuple[int, ...]) -> tuple[list[dict[str, Any]], list[str]]:
    """How often each kind of leak is critical, by share and noise; and alarms about other columns.

    Returns
    -------
    list of dict
        ``kind``, ``world``, ``share``, ``noise``, ``of``, ``critical`` and ``high`` (columns that were found).
    list of str
    """
    rows: dict[tuple[str, str, float, float], dict[str, Any]] = {}
    alarms = []
    for world, make in WORLDS.items():
        for seed in seeds:
            clean = make(seed)
            for share, noise in graded.strengths():
                table, leaks, _ = graded.planted(clean, share, noise, seed)
                severities, others = graded.verdicts(table, leaks)
                for kind, verdict in severities.items():
                    place = {"kind": kind, "world": world, "share": share, "noise": noise}
                    row = rows.setdefault(tuple(place.values()), {**place, "of": 0, CRITICAL: 0, HIGH: 0})
                    row["of"] += 1
                    row[CRITICAL] += verdict == CRITICAL
                    row[HIGH] += verdict == HIGH
                alarms += [f"{clean.name}, share {share:g}, noise {noise:g}: {finding.sentence}" for finding in others]
    return list(rows.values()), alarms


def recall_table(rows: list[dict[str, Any]]) -> list[str]:
    """Recall by kind and noise (lines) and share (columns), over all worlds, as a Markdown table of per cents."""
    lines = ["| leak | noise | " + " | ".join(f"{share:.0%}" for share in graded.SHARES) + " |"]
    lines += ["|---|---" + "|---:" * len(graded.SHARES) + "|"]
    for kind in graded.DATED:
        for noise in graded.NOISES:
            cells = []
            for share in graded.SHARES:
                chosen = [r for r in rows if (r["kind"], r["share"], r["noise"]) == (kind, share, noise)]
                hits, of = sum(r[CRITICAL] for r in chosen), sum(r["of"] for r in chosen)
                cells.append(f"{100 * hits / of:.0f}" if of else "")
            lines.append(f"| `{kind}` | {noise:.1%} | " + " | ".join(cells) + " |")
    return lines


def clean_sets(seeds: tuple[int, ...], data: Path) -> Iterator[worlds.Clean]:
    """Clean worlds of several kinds, sizes and seeds, the demo's world, and the real data sets that are there."""
    yield worlds.contractual(SMALL_WORLD.customers, SMALL_WORLD.months, SMALL_WORLD.seed)
    for seed in seeds:
        yield worlds.contractual(500, 12, seed)
        yield worlds.contractual(1_500, 18, seed)
        yield worlds.shop(1_500, 18, seed)
        yield worlds.undated(600, seed)
        yield worlds.undated(4_000, seed)
        yield worlds.usage(3_000, seed)
        yield worlds.clicks(2_000, seed)
        yield worlds.one_purchase(6_000, seed)
        yield worlds.terms(3_000, 18, seed)
        yield worlds.terms(6_000, 12, seed, dated=False)
    yield worlds.contractual(10_000, 24, seeds[0])
    yield worlds.shop(10_000, 24, seeds[0])
    yield from worlds.real(data)
    for case in sorted((data.parent / "cases").glob("0[12]-*")):
        yield worlds.log_ins(case)


def examined(clean: worlds.Clean) -> dict[str, Any]:
    """What the probes say of a clean training set, and how long they take.

    Its windows are made of visible rows by `window_features`, so that a replay rebuilds them, as `retention run` does.
    """
    start = time.perf_counter()
    alone = probe_training_set(clean.frame, clean.features, clean.entity, dated=clean.dated)
    seconds = time.perf_counter() - start
    findings = alone
    if clean.dated and any(finding.severity == CRITICAL for finding in alone):
        replay = StoredReplay(str(clean.frame["feature_timestamp"].median()), len(clean.frame))
        findings = probe_training_set(clean.frame, clean.features, clean.entity, dated=True, replays=[replay])
    aucs = {f.name: f.evidence["auc"] for f in findings if f.probe in ("single_feature_auc", "separation")}
    strongest = max(aucs, key=aucs.__getitem__, default=None)
    return {
        "name": clean.name,
        "rows": len(clean.frame),
        "columns": len(aucs),
        "strongest": f"{strongest} {aucs[strongest]:.3f}" if strongest else "too few rows",
        "critical": [finding.sentence for finding in findings if finding.severity == CRITICAL],
        "unproven": len({finding.name for finding in alone if finding.severity == CRITICAL}),
        "high": sum(finding.severity == HIGH for finding in findings),
        "seconds": seconds,
    }


def shuffled(clean: worlds.Clean, seed: int) -> tuple[float, int]:
    """Greatest AUC of a column once outcomes are shuffled, and how many columns look suspicious."""
    churned = np.random.default_rng(seed).permutation(clean.frame["churned"])
    findings = probe_training_set(clean.frame.assign(churned=churned), clean.features, clean.entity, dated=clean.dated)
    aucs = [f.evidence["auc"] for f in findings if f.probe == "single_feature_auc"]
    return max(aucs), sum(f.severity in (CRITICAL, HIGH) for f in findings)


def main() -> None:
    """Print the tables; the exit code is 1 when a leak is missed or a clean set raises an alarm."""
    command = parser("leakage", __doc__)
    command.add_argument("--seeds", type=lambda text: tuple(map(int, text.split(","))), default=SEEDS)
    command.add_argument(
        "--graded",
        type=lambda text: tuple(map(int, text.split(","))),
        default=graded.HELD_OUT,
        help="seeds of the curve",
    )
    command.add_argument("--data", type=Path, default=Path(os.environ.get("RETENTION_SHARED_DATA") or SHARED))
    chosen = command.parse_args()

    rows = planted(chosen.seeds)
    width = max(len(name) for name, _ in rows)
    print(f"planted leaks, {len(chosen.seeds)} seeds each")
    print(f"{'class':{width}}  {'world':8}  found  other alarms  by")
    for (name, kind), row in sorted(rows.items()):
        recall = f"{row['found']}/{row['of']}"
        print(f"{name:{width}}  {kind:8}  {recall:>5}  {len(row['others']):12}  {', '.join(sorted(row['probes']))}")
    total, hits = sum(row["of"] for row in rows.values()), sum(row["found"] for row in rows.values())
    others = [what for row in rows.values() for what in row["others"]]
    classes = len({name for name, _ in rows})
    print(f"{classes} classes: {hits} of {total} leaks found ({hits / total:.1%}), {len(others)} alarms about others\n")

    by_strength, graded_alarms = graded_recall(chosen.graded)
    print(f"recall in per cent by share and noise, seeds {', '.join(map(str, chosen.graded))}")
    print(
        "\n".join([*recall_table(by_strength), f"{len(graded_alarms)} alarms about other columns", *graded_alarms, ""])
    )

    looked = [examined(clean) for clean in clean_sets(chosen.seeds, chosen.data)]
    width = max(len(one["name"]) for one in looked)
    print(
        f"{'clean':{width}}     rows  columns  strongest honest column                critical  without replay  high  "
        "seconds"
    )
    for one in looked:
        print(
            f"{one['name']:{width}}  {one['rows']:7,}  {one['columns']:7}  {one['strongest']:38} "
            f"{len(one['critical']):8}  {one['unproven']:14}  {one['high']:4}  {one['seconds']:7.1f}"
        )
    alarms = [f"{one['name']}: {sentence}" for one in looked for sentence in one["critical"]]
    judged = sum(one["columns"] for one in looked)
    print(f"{len(looked)} clean sets, {judged:,} honest columns: {len(alarms)} critical findings")
    print("\n".join(alarms))

    noise = [shuffled(worlds.contractual(1_500, 18, seed), seed) for seed in chosen.seeds]
    print(
        f"shuffled outcomes: greatest AUC of a column {max(best for best, _ in noise):.3f}, "
        f"{sum(count for _, count in noise)} suspicious columns"
    )
    planted_rows = [
        {"class": name, "world": kind, **row, "probes": sorted(row["probes"])} for (name, kind), row in rows.items()
    ]
    keep({"planted": planted_rows, "graded": by_strength, "clean": looked, "shuffled": noise}, chosen.json)
    raise SystemExit(hits < total or bool(alarms) or bool(others) or bool(graded_alarms))


if __name__ == "__main__":
    main()
