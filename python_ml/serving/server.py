"""One process that serves scores until a signal stops it."""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import TYPE_CHECKING

import uvicorn
from threadpoolctl import threadpool_limits

from python_ml.errors import UserError
from python_ml.http_server import address_of, listening_socket, run_until_signal
from python_ml.serving.application import application
from python_ml.serving.metrics import ServerMetrics
from python_ml.serving.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable

    from python_ml.project import Project
    from python_ml.serving.service import OpenSource

TOKEN_VARIABLE = "RETENTION_SERVE_TOKEN"  # noqa: S105 - the name of a variable
LEAST_TOKEN = 16
KEEP_ALIVE_SECONDS = 75  # longer than load balancers keep idle connections, so that it is they who close them
SWITCH_SECONDS = 0.001  # a thread that scores makes way for the event loop sooner than after Python's 5 ms


def token_of_environment() -> str | None:
    """The token that requests have to bear; None where the variable is not set.

    Raises
    ------
    UserError
        When it is set to something that protects nothing, or that no header can hold.
    """
    token = os.environ.get(TOKEN_VARIABLE)
    if token is None:
        return None
    if len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable() or " " in token:
        raise UserError(
            f"The token is not one of at least {LEAST_TOKEN} ASCII characters without spaces.",
            where=TOKEN_VARIABLE,
            hint="set it to a random text, or unset it to serve without a token",
        )
    return token


def serve(
    project: Project, open_source: OpenSource, host: str, port: int, started: Callable[[str, Service], None]
) -> None:
    """Serve scores until SIGTERM or SIGINT; requests that are being answered are finished first.

    Parameters
    ----------
    project : Project
    open_source : callable
        Opens the features of a champion.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    started : callable
        Told the address and the service once connections are accepted.

    Raises
    ------
    UserError
        When the address is taken or none of this machine's, there is no champion, or nobody to score.
    """
    token = token_of_environment()
    with listening_socket(host, port) as listening:
        threadpool_limits(1)  # for good: a row is too small to share
        sys.setswitchinterval(SWITCH_SECONDS)
        metrics = ServerMetrics()
        service = Service(project, open_source, metrics)
        settings = project.settings.serve
        app = application(service, settings, metrics, token)
        config = uvicorn.Config(
            app,
            lifespan="on",
            access_log=False,  # it would hold ids; see python_ml.serving.limits
            log_config=None,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=round(settings.timeout_seconds) + 1,
        )
        _log_to_stderr()
        # What was loaded stays: looking through it for garbage would take a tenth of a second now and then.
        gc.collect()
        gc.freeze()
        try:
            run_until_signal(config, listening, lambda: started(address_of(host, listening), service))
        finally:
            gc.unfreeze()


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("python_ml.serving", logging.INFO), ("uvicorn.error", logging.WARNING)):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(level)
