"""Feast's own HTTP server over the online store, in this process and for this machine only."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from python_ml.errors import UserError
from python_ml.feature_store.feast_objects import INSTALL
from python_ml.http_server import address_of, listening_socket, run_until_signal

if TYPE_CHECKING:
    from fastapi import FastAPI
    from feast import FeatureStore as FeastClient

HOST = "127.0.0.1"
# What only reads. The others would write rows past the checks of `push`, or run code that is asked for from outside.
READING = ("/get-online-features", "/health", "/docs", "/openapi.json")


def application(client: FeastClient) -> FastAPI:
    """The application: ``POST /get-online-features`` and ``GET /health``.

    Raises
    ------
    UserError
        When a package of Feast's server is not installed.
    """
    try:
        from feast.feature_server import get_app
    except ImportError as error:
        raise UserError(
            f"The server of Feast cannot be imported: {str(error).splitlines()[0]}.",
            where="retention features serve",
            hint=f"run `{INSTALL}`",
        ) from error
    app = get_app(client)
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", None) in READING]
    return app


def serve(client: FeastClient, port: int, started: Callable[[str], None] | None = None) -> None:
    """Answer requests on 127.0.0.1 until the process gets SIGINT or SIGTERM.

    Parameters
    ----------
    client : feast.FeatureStore
    port : int
        0 takes a free one.
    started : callable, optional
        Gets the address once the port is taken.

    Raises
    ------
    UserError
        When the port is taken.
    """
    app = application(client)
    import uvicorn

    with listening_socket(HOST, port) as listening:
        address = address_of(HOST, listening)
        config = uvicorn.Config(app, log_level="warning")
        run_until_signal(config, listening, lambda: started(address) if started is not None else None)
