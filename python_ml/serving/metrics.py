"""What the server counts, in the format of Prometheus.

Labels are routes, statuses, bands and the model: never a customer, so their number stays small.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from python_ml.model.risk_bands import BANDS

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class ServerMetrics:
    """Counters of one server, in a registry of their own.

    Attributes
    ----------
    in_flight : prometheus_client.Gauge
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._requests = Counter(
            "retention_serve_requests", "Requests by route and status.", ["path", "status"], registry=registry
        )
        self._seconds = Histogram(
            "retention_serve_request_seconds",
            "Time from a request to the end of its response.",
            ["path"],
            buckets=BUCKETS,
            registry=registry,
        )
        self.in_flight = Gauge("retention_serve_in_flight", "Requests that are being answered.", registry=registry)
        self._model = Gauge(
            "retention_serve_model_version", "Version of the champion that scores.", ["model"], registry=registry
        )
        self._problem = Gauge(
            "retention_serve_champion_problem",
            "1 where the champion of the registry cannot be taken, and an earlier one scores.",
            registry=registry,
        )
        self._available = Gauge(
            "retention_serve_features_available", "1 where features can be read and are recent.", registry=registry
        )
        self._age = Gauge(
            "retention_serve_features_age_seconds",
            "From the newest feature time to the end of the observation: the data's own clock, not the wall clock.",
            registry=registry,
        )
        self._refreshed = Gauge(
            "retention_serve_refreshed_timestamp_seconds",
            "When the server last looked for a champion and features (Unix time).",
            registry=registry,
        )
        self._scores = Counter("retention_serve_scores", "Scores by risk band.", ["band"], registry=registry)
        for band in BANDS:
            self._scores.labels(band)

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request; ``path`` is that of its route, without the values in it."""
        self._requests.labels(path, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def scored(self, bands: list[str]) -> None:
        """Count scores."""
        for band in bands:
            self._scores.labels(band).inc()

    def champion(self, name: str, version: int) -> None:
        """Say which model scores from now on."""
        self._model.clear()
        self._model.labels(name).set(version)

    def refreshed(self, champion_problem: bool, features_available: bool, age_seconds: float | None) -> None:
        """Say what the last look for a champion and features found."""
        self._problem.set(champion_problem)
        self._available.set(features_available)
        self._age.set(float("nan") if age_seconds is None else age_seconds)
        self._refreshed.set_to_current_time()

    def text(self) -> bytes:
        """All of them."""
        return generate_latest(self._registry)
