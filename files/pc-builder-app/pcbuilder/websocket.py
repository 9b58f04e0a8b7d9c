"""One websocket for all servers: uWSGI through its own API, the others through simple-websocket.

uWSGI keeps the client's socket and must be asked for each frame; Gunicorn and the development
server pass the socket on. `accept` hides the difference: the connection that it returns can
`receive`, `send`, and `finish` the view.
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
    """The other side has closed the connection."""


class Connection(Protocol):
    """An open websocket."""

    def receive(self, timeout: float) -> str | None:
        """The next text message, or None if none arrives within `timeout` seconds (it may return
        earlier).
        """

    def send(self, text: str) -> None: ...

    def finish(self) -> Response:
        """What the view must return once the connection is closed."""


def accept(environ: dict[str, Any]) -> Connection:
    """Answer the handshake of the current request."""
    return UwsgiConnection() if uwsgi else SocketConnection(environ)


class UwsgiConnection:
    """uWSGI answers pings and detects dead clients automatically, as long as it is asked for frames
    regularly.
    """

    def __init__(self) -> None:
        try:
            uwsgi.websocket_handshake()
        except OSError as error:
            raise Closed from error
        _leaving()  # the first websocket of a worker registers the signal handler
        self._poll = _poll()
        self._poll.register(uwsgi.connection_fd(), select.POLLIN)

    def receive(self, timeout: float) -> str | None:
        try:
            # A frame that is already in uWSGI's buffer does not wake the poll.
            message = uwsgi.websocket_recv_nb()
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
    """The handshake was the answer: nothing more may be written, and each server has its own way to
    learn that.
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
    """A poll object; under uWSGI's gevent loop one that does not block the other requests."""
    return gevent.select.poll() if GEVENT else select.poll()


def _leaving() -> bool:
    """Whether this worker must stop: uWSGI waits for open requests, and a websocket would never
    end.
    """
    return GEVENT and _hang_up().is_set()


@cache
def _hang_up() -> Any:
    """An event of this process, set by the signal with which uWSGI stops a worker gracefully."""
    event = gevent.event.Event()
    gevent.signal_handler(signal.SIGHUP, event.set)  # in addition to uWSGI's own handler
    return event
