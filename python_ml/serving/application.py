"""The HTTP interface: routes, their documents, and how refusals look."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from python_ml import __version__
from python_ml.serving.features import FeaturesUnavailableError
from python_ml.serving.limits import Json, RequestLimits, refused
from python_ml.serving.refusals import RefusalError, busy
from python_ml.serving.schema import Error, FeatureRows, Ids, Live, Model, Ready, RowScores, Score, Scores
from python_ml.serving.service import key_of

if TYPE_CHECKING:
    from python_ml.serving.metrics import ServerMetrics
    from python_ml.serving.service import Service
    from python_ml.settings import Serve

T = TypeVar("T")

MOST_THREADS = 4
_ABOUT = (
    "Calibrated churn probabilities with risk bands and reasons, from the champion of the model registry and the "
    'newest features of each customer. Refusals have one form: `{"error": {"code", "reason", "details"}}`.'
)
_CODES = {404: "not_found", 405: "method_not_allowed"}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    said = {
        404: "There are no current features of this customer.",
        413: "The body is too large.",
        422: "The request is not valid; `details` names the parts.",
        503: "Features cannot be read or are too old, or there is too much to do; see `Retry-After`.",
    }
    return {status: {"model": Error, "description": said[status]} for status in statuses}


def application(service: Service, settings: Serve, metrics: ServerMetrics, token: str | None = None) -> FastAPI:
    """Build the application.

    Parameters
    ----------
    service : Service
        Started and stopped with the application.
    settings : Serve
    metrics : ServerMetrics
    token : str, optional
        That all requests but those of probes have to bear.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        service.start()
        yield
        await to_thread.run_sync(service.stop)

    # Without the pages of Swagger and ReDoc: they load scripts of third parties.
    app = FastAPI(
        title="retention serve",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(RequestLimits, settings=settings, metrics=metrics, token=token)
    _add_handlers(app, service)
    work = _Work(settings)

    @app.get(
        "/v1/customers/{customer_id:path}/score",
        summary="Score one customer",
        response_model=Score,
        responses=_refusals(404, 422, 503),
        tags=["scores"],
    )
    async def score(customer_id: str) -> Response:
        """Probability, risk band and reasons of a customer, from the newest features."""
        key = key_of(customer_id, service.integer_keys)
        scores, _ = await work.done(lambda: service.score([key]))
        if not scores:
            raise RefusalError(404, "unknown_customer", "There are no current features of this customer.")
        return Json(scores[0])

    @app.post(
        "/v1/scores",
        summary="Score several customers",
        response_model=Scores,
        responses=_refusals(413, 422, 503),
        tags=["scores"],
    )
    async def scores(body: Ids) -> Response:
        """Scores in the order of the ids; customers without current features are listed as unknown."""
        _require_batch(len(body.ids), settings)
        keys = [key_of(value, service.integer_keys) for value in body.ids]
        found, unknown = await work.done(lambda: service.score(keys))
        return Json({"scores": found, "unknown": unknown})

    @app.post(
        "/v1/scores/features",
        summary="Score given features",
        response_model=RowScores,
        responses=_refusals(413, 422, 503),
        tags=["scores"],
    )
    async def feature_scores(body: FeatureRows) -> Response:
        """Scores of features that the caller brings: all of those that the model takes, and no others."""
        _require_batch(len(body.rows), settings)
        return Json({"scores": await work.done(lambda: service.score_rows(body.rows))})

    @app.get("/v1/model", summary="The champion that scores", response_model=Model, tags=["model"])
    async def model() -> Response:
        """Name, version and features of the champion."""
        champion = service.champion
        card = champion.card
        return Json(
            {
                "name": card.model,
                "version": champion.version,
                "trained_until": card.fitted_on.get("to"),
                "base_rate": card.base_rate,
                "risk_bands": card.risk_bands,
                "key": card.entity,
                "key_type": "integer" if service.integer_keys else "text",
                "features": [{"name": c.name, "kind": c.kind, "description": c.description} for c in card.columns],
            }
        )

    @app.get("/health", summary="Whether the process runs", response_model=Live, tags=["operations"])
    async def health() -> Response:
        """For liveness probes; needs no token."""
        return Json({"status": "ok"})

    @app.get(
        "/ready",
        summary="Whether scores can be served",
        response_model=Ready,
        responses={503: {"model": Ready, "description": "Features cannot be read, or are too old."}},
        tags=["operations"],
    )
    async def ready() -> Response:
        """For readiness probes; needs no token."""
        status = await work.probed(service.status)
        champion = service.champion
        document = {
            "ready": status.ready,
            "model_name": champion.card.model,
            "model_version": champion.version,
            "features_newest": status.newest and status.newest.isoformat(),
            "observation_end": status.observation_end and status.observation_end.isoformat(),
            "problems": list(status.problems),
        }
        if status.ready:
            return Json(document)
        return Json(document, status_code=503, headers={"Retry-After": str(service.retry_after)})

    @app.get("/metrics", summary="Metrics for Prometheus", response_class=Response, tags=["operations"])
    async def metrics_text() -> Response:
        """Requests, latencies, the champion, the age of the features and scores by band."""
        return Response(metrics.text(), media_type=metrics.content_type)

    return app


class _Work:
    """Work in threads, so that the event loop answers probes meanwhile; late work is answered for, and let finish."""

    def __init__(self, settings: Serve) -> None:
        self._settings = settings
        self._threads = min(MOST_THREADS, os.cpu_count() or 1)
        self._limiters: dict[str, CapacityLimiter] = {}
        self._running = 0  # also what has been answered for already

    async def done(self, work: Callable[[], T]) -> T:
        """Do work of a request."""
        if self._running >= self._settings.requests_in_flight:
            raise busy("Earlier requests have not been finished yet.")
        return await self._run("scores", work)

    async def probed(self, work: Callable[[], T]) -> T:
        """Do work of a probe, which does not wait behind requests."""
        return await self._run("probes", work)

    async def _run(self, kind: str, work: Callable[[], T]) -> T:
        # A limiter belongs to an event loop, so it is made in the first request.
        limiter = self._limiters.setdefault(kind, CapacityLimiter(self._threads))
        loop = asyncio.get_running_loop()

        def counted() -> T:
            try:
                return work()
            finally:
                loop.call_soon_threadsafe(self._finished)

        self._running += 1
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                return await to_thread.run_sync(counted, abandon_on_cancel=True, limiter=limiter)
        except TimeoutError as error:
            raise RefusalError(
                503, "timeout", f"No answer within {self._settings.timeout_seconds:g} seconds.", retry_after=1
            ) from error

    def _finished(self) -> None:
        self._running -= 1


def _require_batch(size: int, settings: Serve) -> None:
    if size > settings.batch_size:
        raise RefusalError(413, "batch_too_large", f"At most {settings.batch_size} in one request (serve.batch_size).")


def _add_handlers(app: FastAPI, service: Service) -> None:
    @app.exception_handler(RefusalError)
    async def refusal(_: Request, error: RefusalError) -> Response:
        return refused(error)

    @app.exception_handler(FeaturesUnavailableError)
    async def unavailable(_: Request, error: FeaturesUnavailableError) -> Response:
        return refused(RefusalError(503, "features_unavailable", error.what, retry_after=service.retry_after))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        found = error.errors()
        if any(one["type"] == "json_invalid" for one in found):
            return refused(RefusalError(400, "invalid_json", "The body is no JSON document."))
        # Without the values that were sent: they may be those of a customer.
        details = [{"where": ".".join(map(str, one["loc"]))[:100], "problem": one["msg"]} for one in found]
        reason = "The request is not valid."
        return refused(RefusalError(422, "invalid_request", reason, details=details))

    @app.exception_handler(HTTPException)
    async def by_http(_: Request, error: HTTPException) -> Response:
        code = _CODES.get(error.status_code, "invalid_request")
        response = refused(RefusalError(error.status_code, code, f"{error.detail}."))
        response.headers.update(error.headers or {})
        return response
