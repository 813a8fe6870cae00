"""Short texts whose topic and tone are known, embedded by their words: no model is needed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd

from python_ml.settings import TextLabel

DIMENSIONS = 64
TOPIC = TextLabel.model_validate(["billing", "delivery", "app"])
SENTIMENT = TextLabel.model_validate({"values": ["negative", "neutral", "positive"], "scores": [-1, 0, 1]})
SCHEME = {"topic": TOPIC, "sentiment": SENTIMENT}
WORDS = {
    "billing": "invoice charged refund card amount",
    "delivery": "parcel driver late order address",
    "app": "login crash update screen password",
    "negative": "terrible angry unacceptable awful",
    "neutral": "question please when which",
    "positive": "thanks great love perfect",
}
FILLERS = [f"filler{i}" for i in range(40)]


def embedded(text: str) -> np.ndarray:
    """A deterministic embedding: each word is a direction of its own, the same in every run."""
    total = np.zeros(DIMENSIONS)
    for word in text.split():
        seed = int.from_bytes(hashlib.md5(word.encode()).digest()[:8], "big")
        total += np.random.default_rng(seed).normal(size=DIMENSIONS)
    return total


def text_hash(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@dataclass(frozen=True)
class Texts:
    """``frame``: text_hash, text, known_at, topic and sentiment, one row per text; ``embeddings`` beside it."""

    frame: pd.DataFrame
    embeddings: np.ndarray

    def truth(self, text: str) -> dict[str, str]:
        row = self.frame.set_index("text").loc[text]
        return {"topic": row["topic"], "sentiment": row["sentiment"]}


def texts(count: int = 240, noise: float = 0.0, seed: int = 0) -> Texts:
    """Draw texts, one a day from 2024 on; ``noise`` is the share whose words are of another topic and tone."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(count):
        labels = {"topic": str(rng.choice(TOPIC.values)), "sentiment": str(rng.choice(SENTIMENT.values))}
        spoken = labels if rng.random() >= noise else {name: str(rng.choice(SCHEME[name].values)) for name in labels}
        words = [str(w) for value in spoken.values() for w in rng.choice(WORDS[value].split(), 2)]
        words += [str(w) for w in rng.choice(FILLERS, 3)] + [f"number{i}"]
        text = " ".join(words)
        rows.append(
            {
                "text_hash": text_hash(text),
                "text": text,
                "known_at": pd.Timestamp("2024-01-01") + pd.Timedelta(days=i),
                **labels,
            }
        )
    frame = pd.DataFrame(rows).sort_values("text_hash", ignore_index=True)
    return Texts(frame, np.array([embedded(text) for text in frame["text"]]))
