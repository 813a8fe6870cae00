"""One process that serves scores until a signal stops it."""

from __future__ import annotations

import gc
import logging
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import uvicorn
from threadpoolctl import threadpool_limits

from python_ml.errors import UserError
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
    listening = _listening(host, port)
    with listening:
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
        _end_well_on_signals()
        name = f"[{host}]" if ":" in host else host
        started(f"http://{name}:{listening.getsockname()[1]}", service)
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            gc.unfreeze()


def _listening(host: str, port: int) -> socket.socket:
    where = f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        if os.name == "posix":  # where it does not let two servers share a port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(address)
            listening.listen(2_048)
        except BaseException:
            listening.close()
            raise
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(
            f"The server cannot listen there: {reason}.",
            where=where,
            hint="choose another --port (0 takes a free one), or end the process that has it; --host must be an "
            "address of this machine",
        ) from error
    return listening


def _end_well_on_signals() -> None:
    """uvicorn finishes its requests on a signal and then raises it again, which would end the process with an error."""

    def ignored(_number: int, _frame: object) -> None:
        """The server has stopped already."""

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ignored)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for name, level in (("python_ml.serving", logging.INFO), ("uvicorn.error", logging.WARNING)):
        log = logging.getLogger(name)
        log.handlers, log.propagate = [handler], False
        log.setLevel(level)
