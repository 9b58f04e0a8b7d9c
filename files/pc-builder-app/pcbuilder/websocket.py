"""One websocket for all servers: uWSGI through its own API, the others through simple-websocket.

uWSGI keeps the client's socket to itself and must be asked for each frame; Gunicorn and the
development server hand the socket over. `accept` hides the difference: what it returns can
`receive`, `send` and say how the view must end.
"""

from __future__ import annotations

import select
import signal
from functools import cache
from typing import Any, Protocol

import simple_websocket
from flask import Response
from wsproto.utilities import ProtocolError

try:
    import uwsgi  # exists inside uWSGI only
except ImportError:
    uwsgi = None
GEVENT = bool(uwsgi) and uwsgi.loop == b"gevent"  # bytes, not text
if GEVENT:
    import gevent.event
    import gevent.select

LARGEST_MESSAGE = 4096  # bytes; uWSGI has its own limit too (websockets-max-size)


class Closed(Exception):
    """The other side is gone."""


class Connection(Protocol):
    """An open websocket."""

    def receive(self, timeout: float) -> str | None:
        """The next text message, or None when none came within `timeout` seconds (it may return
        earlier).
        """

    def send(self, text: str) -> None: ...

    def finish(self) -> Response:
        """What the view must return once the connection is closed."""


def accept(environ: dict[str, Any]) -> Connection:
    """Answer the handshake of the current request."""
    return UwsgiConnection() if uwsgi else SocketConnection(environ)


class UwsgiConnection:
    """uWSGI answers pings and notices dead clients by itself, as long as it is asked for frames
    regularly.
    """

    def __init__(self) -> None:
        try:
            uwsgi.websocket_handshake()
        except OSError as error:
            raise Closed from error
        _leaving()  # the first websocket of a worker makes it listen for the signal
        self._poll = _poll()
        self._poll.register(uwsgi.connection_fd(), select.POLLIN)

    def receive(self, timeout: float) -> str | None:
        try:
            message = (
                uwsgi.websocket_recv_nb()
            )  # a frame that is already in uWSGI's buffer does not wake the poll
            if not message and self._poll.poll(timeout * 1000):
                message = uwsgi.websocket_recv_nb()
        except OSError as error:
            raise Closed from error
        if len(message) > LARGEST_MESSAGE or _leaving():
            raise Closed
        return message.decode("utf-8", "replace") or None

    def send(self, text: str) -> None:
        try:
            uwsgi.websocket_send(text)
        except OSError as error:
            raise Closed from error

    def finish(self) -> Response:
        return _Finished(mode="uwsgi")


class SocketConnection:
    """For servers that put the client's socket into the WSGI environment."""

    def __init__(self, environ: dict[str, Any]) -> None:
        try:
            self._socket = simple_websocket.Server(
                environ, ping_interval=25, max_message_size=LARGEST_MESSAGE
            )
        except (
            simple_websocket.ConnectionError,
            ProtocolError,
            RuntimeError,
        ) as error:  # RuntimeError: no socket
            raise Closed from error

    def receive(self, timeout: float) -> str | None:
        try:
            message = self._socket.receive(timeout=timeout)
        except simple_websocket.ConnectionClosed as error:
            raise Closed from error
        return (
            message.decode("utf-8", "replace")
            if isinstance(message, (bytes, bytearray))
            else message
        )

    def send(self, text: str) -> None:
        try:
            self._socket.send(text)
        except (simple_websocket.ConnectionClosed, OSError) as error:
            raise Closed from error

    def finish(self) -> Response:
        return _Finished(mode=self._socket.mode)


class _Finished(Response):
    """The handshake was the answer: nothing more may be written, and each server is told so in its
    own way.
    """

    def __init__(self, mode: str) -> None:
        super().__init__()
        self._mode = mode

    def __call__(self, environ: Any, start_response: Any) -> Any:
        if self._mode == "gunicorn":
            raise StopIteration
        if self._mode == "werkzeug":
            raise ConnectionError
        return []


def _poll() -> Any:
    """A poll object; under uWSGI's gevent loop one that lets the other requests go on."""
    return gevent.select.poll() if GEVENT else select.poll()


def _leaving() -> bool:
    """Whether this worker was told to go: uWSGI waits for open requests, and a websocket would
    never end.
    """
    return GEVENT and _hang_up().is_set()


@cache
def _hang_up() -> Any:
    """An event of this process, set by the signal with which uWSGI stops a worker gracefully."""
    event = gevent.event.Event()
    gevent.signal_handler(signal.SIGHUP, event.set)  # beside uWSGI's own handler, not instead of it
    return event
