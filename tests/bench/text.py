"""Texts: how fast they are embedded, what a second run costs, and what they add to the model.

    python -m tests.bench.text                        5,000 texts of the simulated business; no model is trained
    python -m tests.bench.text --texts 20000          more of them
    python -m tests.bench.text --customers 20000      also a world of this size: test ROC AUC with and without texts

Ours and `SentenceTransformer.encode` embed the same distinct texts in one process, in turns. The world is simulated,
built by dbt and trained on twice; the difference is paired, with a 95 % interval over customers.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from python_ml.model.evaluate import compared
from python_ml.model.replay_evidence import stored_replays
from python_ml.model.train import train_models
from python_ml.project import Project
from python_ml.settings import Text
from python_ml.snapshots.training_rows import read_training_set
from python_ml.text.components import embed_missing
from python_ml.text.engines import find_model, load_engine
from python_ml.text.store import TextStore

from .commands import keep, parser

REPOSITORY = Path(__file__).resolve().parents[2]
WARM = 256  # texts that are embedded before the clock starts
GROWTH = 0.01


def simulated_texts(n: int) -> list[str]:
    """Distinct bodies of tickets, as many as asked for where the world has them."""
    with tempfile.TemporaryDirectory() as folder:
        _simulate(Path(folder) / "world", customers=max(500, n))
        bodies = pd.read_csv(Path(folder) / "world" / "raw_support__tickets.csv")["body"].dropna().unique()
    return [str(body) for body in bodies[:n]]


def speed(texts: list[str]) -> dict[str, float]:
    """Texts per second: the library alone, ours, and static embeddings."""
    from sentence_transformers import SentenceTransformer

    project, settings = Project.open(REPOSITORY), Text(device="cpu")
    library = SentenceTransformer(find_model(project, settings).location, device="cpu")
    ours = load_engine(project, settings)
    for model in (library, ours):
        model.encode(texts[:WARM])
    taken = {"library": [], "ours": []}
    for _ in range(3):
        taken["library"].append(_seconds(lambda: library.encode(texts, batch_size=settings.batch_size)))
        with duckdb.connect() as session:
            taken["ours"].append(_seconds(lambda: _embed(session, texts, "bench", ours, settings)))
    static = load_engine(project, settings.model_copy(update={"engine": "static"}))
    static.encode(texts[:WARM])
    many = texts * max(1, 20_000 // len(texts))
    taken["static"] = [_seconds(lambda: static.encode(many)) * len(texts) / len(many) for _ in range(3)]
    return {name: len(texts) / min(seconds) for name, seconds in taken.items()}


def cache(texts: list[str]) -> dict[str, Any]:
    """A first run, one over the same texts, and one with a hundredth more."""
    project, settings = Project.open(REPOSITORY), Text(device="cpu")
    before = int(len(texts) / (1 + GROWTH))
    runs = {}
    with duckdb.connect() as session:
        for name, part in (("first", texts[:before]), ("again", texts[:before]), ("grown", texts)):
            count = []

            def run(part: list[str] = part, count: list[int] = count) -> None:
                count.append(_embed(session, part, "bench", lambda: load_engine(project, settings), settings))

            runs[name] = {"seconds": _seconds(run), "texts": len(part), "embedded": count[0]}
    return runs


def added(customers: int) -> dict[str, Any]:
    """Test ROC AUC with and without the features of texts, and the paired difference."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "project"
        made_here = (".git", ".venv", ".*_cache", ".hypothesis", "*.duckdb*", "target", "logs", "*.db", "mlartifacts")
        shutil.copytree(REPOSITORY, folder, ignore=shutil.ignore_patterns(*made_here))
        for path in (folder / "seeds").glob("*.csv"):
            path.unlink()
        _simulate(Path(name) / "world", customers)
        for path in (Path(name) / "world").glob("*.csv"):
            path.rename(folder / "seeds" / path.name)
        subprocess.run([sys.executable, "-m", "python_ml", "build", "--project-dir", str(folder)], check=True)
        project = Project.open(folder)
        rows = read_training_set(project)
        textual = [f.name for f in rows.features if f.fitted or (f.measure or "").startswith("body_")]
        scores: dict[str, np.ndarray] = {}
        for kind, left_out in (("with", []), ("without", textual)):
            settings = project.settings.model_copy(
                update={"features": project.settings.features.model_copy(update={"exclude": left_out})}
            )
            result = train_models(
                rows.frame, rows.features, rows.entity, settings, label=rows.label, replays=stored_replays(project)
            )
            predicted = result.predictions
            predicted = predicted[(predicted["model"] == result.champion) & (predicted["split"] == "test")]
            keys = [rows.entity, "feature_timestamp"]
            predicted = predicted.merge(rows.frame[[*keys, "churned"]].rename(columns={"churned": "truth"}), on=keys)
            scores[kind] = predicted.sort_values(keys)["probability"].to_numpy()
            truth, customer = (predicted.sort_values(keys)[c].to_numpy() for c in ("truth", rows.entity))
    figures, ahead = compared(truth, scores, customer, replicates=1_000, seed=0)
    return {"customers": customers, "rows": len(truth), "figures": figures, "difference": ahead}


def _embed(session: Any, texts: list[str], key: str, engine: Any, settings: Text) -> int:
    table = pa.table({"text_hash": [hashlib.md5(text.encode()).hexdigest() for text in texts], "text": texts})
    load: Callable[[], Any] = engine if callable(engine) else lambda: engine
    return embed_missing(TextStore(session), table, key, settings, "bench.texts", load)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _simulate(folder: Path, customers: int) -> None:
    options = ["--customers", str(customers), "--months", "18", "--seed", "11", "--format", "csv"]
    subprocess.run(
        [sys.executable, "-m", "python_ml", "simulate", *options, "--out", str(folder)], check=True, capture_output=True
    )


def main() -> None:
    """Measure, print, and keep the figures."""
    options = parser("text", __doc__)
    options.add_argument("--texts", type=int, default=5_000)
    options.add_argument("--customers", type=int, default=0)
    chosen = options.parse_args()
    texts = simulated_texts(chosen.texts)
    found: dict[str, Any] = {"texts": len(texts), "cache": cache(texts), "speed": speed(texts)}
    rates, runs = found["speed"], found["cache"]
    print(f"{len(texts):,} distinct texts, {np.mean([len(text) for text in texts]):.0f} characters on average")
    for name, run in runs.items():
        share = run["seconds"] / runs["first"]["seconds"]
        print(f"  {name:6} {run['embedded']:6,} of {run['texts']:,} embedded in {run['seconds']:7.2f} s ({share:.1%})")
    for name, rate in rates.items():
        print(f"  {name:8} {rate:10,.0f} texts a second ({rate / rates['library']:.2f} x the library alone)")
    if chosen.customers:
        found["added"] = added(chosen.customers)
        print(found["added"]["figures"], found["added"]["difference"])
    keep(found, chosen.json)


if __name__ == "__main__":
    main()
