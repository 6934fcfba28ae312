"""The API as processes: the socket that they listen on, and uvicorn around the app."""

import errno
import gc
import os
import socket
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from typing import Final

import uvicorn

from service.api.app import create_app
from service.api.metrics import FIGURES_FOLDER
from service.errors import ListenError
from service.processes import AGGPOSE, Part, Processes
from service.settings import Settings

_GRACE_S: Final = 5
"""So long requests that are being answered may take when the API is told to stop."""
_IDLE_S: Final = 30
"""So long a connection stays open between requests."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections from now on; port 0 is a free one.

    Raises:
        ListenError: There is no such address here, or it is taken.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.create_server((host, address[1]), family=family, backlog=2048)
        # Inherited by every connection; asyncio does not see that these are TCP's. Without it, what
        # is sent in two pieces waits 40 ms for the first one's acknowledgement.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ListenError(
                f"expected a free port, got {port}: something listens there"
            ) from None
        reason = error.strerror or error
        raise ListenError(
            f"expected an address to listen on, got {host}:{port}: {reason}"
        ) from None
    return listening


def address_of(listening: socket.socket) -> str:
    """Where programs on this machine reach it."""
    host, port = listening.getsockname()[:2]
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{here}]:{port}" if ":" in here else f"http://{here}:{port}"


def serve(settings: Settings, listening: socket.socket) -> None:
    """Answer requests in this process until SIGTERM or Ctrl-C."""
    app = create_app(settings)
    gc.freeze()  # what stands by now stays: looking through it again would stop all requests
    config = uvicorn.Config(
        app,
        root_path=settings.root_path,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_IDLE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    uvicorn.Server(config).run([listening])


def serve_by_many(listening: socket.socket, processes: int, tell: Callable[[str], None]) -> None:
    """Answer requests in several processes until SIGTERM or Ctrl-C; one that dies is started again.

    They count their requests together, so that it does not matter which one is asked for figures.

    Raises:
        PartFailedError: They die again and again.
    """
    with ExitStack() as stack:
        figures = stack.enter_context(TemporaryDirectory(prefix="aggpose-figures-"))
        environment = os.environ | {FIGURES_FOLDER: figures}
        names = [f"API process {i + 1}" for i in range(processes)]
        parts = [api_part(name, listening, environment) for name in names]
        running = stack.enter_context(Processes(parts, tell))
        running.may_restart = True
        while not running.stopping:
            running.look()


def api_part(name: str, listening: socket.socket, environment: Mapping[str, str]) -> Part:
    """A process that answers what arrives at a socket of this one."""
    listening.set_inheritable(True)
    fd = listening.fileno()
    words = (*AGGPOSE, "serve", "--fd", str(fd))
    return Part(name=name, words=words, environment=environment, fds=(fd,))
