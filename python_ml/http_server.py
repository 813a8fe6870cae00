"""Serving an application over HTTP in this process, until a signal stops it."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from python_ml.errors import UserError

if TYPE_CHECKING:
    import uvicorn


def listening_socket(host: str, port: int) -> socket.socket:
    """Take an address, so that what stands in the way is known before anything else is done.

    Parameters
    ----------
    host : str
    port : int
        0 takes a free one.

    Raises
    ------
    UserError
        When the address is taken, or none of this machine's.
    """
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
            where=f"{host}:{port}",
            hint="choose another --port (0 takes a free one), or end the process that has it; the host must be an "
            "address of this machine",
        ) from error
    return listening


def address_of(host: str, listening: socket.socket) -> str:
    """The address that clients use, with the port that was taken."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"


def run_until_signal(config: uvicorn.Config, listening: socket.socket, started: Callable[[], None]) -> NoReturn:
    """Answer requests until SIGTERM or SIGINT; those that are being answered are finished first. Ends with exit code 0.

    Parameters
    ----------
    config : uvicorn.Config
    listening : socket.socket
    started : callable
        Called once connections are accepted and a signal ends the server well.
    """
    import uvicorn

    def stop(_number: int, _frame: object) -> NoReturn:
        # Before uvicorn has taken over, and after it has finished: then it raises the signal again.
        raise SystemExit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    started()
    server = uvicorn.Server(config)
    server.run(sockets=[listening])
    raise SystemExit(0 if server.started else 1)
