"""What a request has to pass before it is answered: the token, the size of its body, and how many others there are.

An ASGI middleware, so that nothing is read or parsed that will be refused. It also counts and logs routes and statuses:
never paths as they were sent, since those hold customers' ids.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import time
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from python_ml.serving.refusals import RefusalError, busy

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from python_ml.serving.metrics import ServerMetrics
    from python_ml.settings import Serve

LOG = logging.getLogger("python_ml.serving")
PROBES = ("/health", "/ready")  # need no token, and are answered however much there is to do
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS", "DELETE")


class Json(JSONResponse):
    """A document in ASCII: no text that somebody sends can fail to be sent back."""

    def render(self, content: Any) -> bytes:
        """The bytes of a document."""
        import json

        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def refused(refusal: RefusalError) -> Json:
    """A refusal as a response."""
    return Json(refusal.document, status_code=refusal.status, headers=refusal.headers)


class RequestLimits:
    """The middleware.

    Parameters
    ----------
    app : ASGI application
    settings : Serve
    metrics : ServerMetrics
    token : str or None
        That requests have to bear.
    """

    def __init__(self, app: ASGIApp, settings: Serve, metrics: ServerMetrics, token: str | None) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self._expected = None if token is None else f"Bearer {token}".encode()
        self._in_flight = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        answer = _Answer(send)
        probe = scope["path"] in PROBES
        self._in_flight += not probe
        self._metrics.in_flight.set(self._in_flight)
        try:
            try:
                if not probe:
                    self._admit(scope)
                    receive = await self._with_body(scope, receive)
                await self._app(scope, receive, answer)
            except RefusalError as refusal:
                await refused(refusal)(scope, receive, answer)
            except _DisconnectedError:
                answer.status = 499
            except Exception as error:
                LOG.error("unexpected %s in %s", type(error).__name__, _place(error))
                if not answer.status:
                    failure = RefusalError(500, "internal", "An unexpected error; the server's log names it.")
                    await refused(failure)(scope, receive, answer)
        finally:
            self._in_flight -= not probe
            self._metrics.in_flight.set(self._in_flight)
            self._count(scope, answer.status, time.perf_counter() - start, probe)

    def _admit(self, scope: Scope) -> None:
        headers = dict(scope["headers"])
        if self._expected is not None:
            given = headers.get(b"authorization", b"")
            scheme, _, token = given.partition(b" ")
            given = b"Bearer " + token.strip() if scheme.lower() == b"bearer" else given
            if not hmac.compare_digest(given, self._expected):
                raise RefusalError(401, "unauthorized", "A bearer token is needed: `Authorization: Bearer …`.")
        if self._in_flight > self._settings.requests_in_flight:
            raise busy("Too many requests are being answered.")
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length[:20]) > self._settings.body_bytes:
            raise self._too_large()

    async def _with_body(self, scope: Scope, receive: Receive) -> Receive:
        """Read a body up to the limit; what is behind it gets it in one piece."""
        if scope["method"] in _WITHOUT_BODY:
            return receive
        parts, size, more = [], 0, True
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _DisconnectedError
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    more = message.get("more_body", False)
                    if size > self._settings.body_bytes:
                        raise self._too_large()
        except TimeoutError as error:
            raise RefusalError(408, "slow_request", "The body did not arrive in time.") from error
        waiting: list[Message] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]

        async def replayed() -> Message:
            return waiting.pop() if waiting else await receive()

        return replayed

    def _too_large(self) -> RefusalError:
        return RefusalError(413, "body_too_large", f"A body has at most {self._settings.body_bytes} bytes.")

    def _count(self, scope: Scope, status: int, seconds: float, probe: bool) -> None:
        # The values in a path are no labels: a route has a few, and customers are many.
        path = getattr(scope.get("route"), "path_format", None) or (scope["path"] if probe else "unmatched")
        self._metrics.answered(path, status, seconds)
        if not probe:
            LOG.info("%s %s %d %.1f ms", scope["method"][:10], path, status, 1_000 * seconds)


class _Answer:
    """``send``, which remembers the status of the response."""

    def __init__(self, send: Send) -> None:
        self._send, self.status = send, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


class _DisconnectedError(Exception):
    """The client went away before its request was complete."""


def _place(error: BaseException) -> str:
    """File and line where an error was raised, without the values that its message may hold."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "?" if trace is None else f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
