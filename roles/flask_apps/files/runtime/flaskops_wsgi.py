"""Loads the application for the application server, and wraps it with the client's address and the
mount path.

The peer of a unix socket has no address, so the client's address and scheme come from the headers
of Nginx. The entrypoint sets the application to load (FLASKOPS_MODULE, FLASKOPS_CALLABLE) and, for
one that does not know its path, the path that becomes SCRIPT_NAME (FLASKOPS_MOUNT). Every request
runs this code: keep it short.
"""

import contextlib
import importlib
import importlib.util
import itertools
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback

try:
    import uwsgi  # exists inside uWSGI only
except ImportError:
    uwsgi = None
# A body whose length has more digits may not fit into the buffer of a unix socket.
DIGITS = 5
# Headers that give the end of an answer, in their usual spelling.
LENGTHS = frozenset(("Content-Length", "content-length", "Transfer-Encoding", "transfer-encoding"))
# Bytes of a file that are read at once.
SIZE = 65536
# Seconds until a process reports that streams occupy all its threads, and between two checks.
HELD, PAUSE = 5, 1


def load(module, name):
    """The application. Any problem raises an exception that ends both servers."""
    try:
        loaded = _file(module) if module.endswith(".py") else importlib.import_module(module)
    except SystemExit as error:  # Gunicorn would restart without end
        traceback.print_exc()
        raise RuntimeError(
            f"flaskops: {module} ended the program while it was imported: {error}"
        ) from None
    attribute, factory, given = name.partition("(")
    app = getattr(loaded, attribute, None)
    if app is None:
        names = (
            ", ".join(
                sorted(
                    each
                    for each, value in vars(loaded).items()
                    if callable(value) and each[0] != "_"
                )
            )
            or "none"
        )
        raise RuntimeError(
            f"flaskops: {module} has no {attribute!r}; its callables: {names}. Write module and"
            " callable."
        )
    if factory:
        arguments, keywords = ([], {}) if given == ")" else _arguments(name)
        app = app(*arguments, **keywords)
    if not callable(app):
        raise RuntimeError(
            f"flaskops: {name!r} of {module} must be callable; got {type(app).__name__}. Write"
            " module and callable."
        )
    return app


def _arguments(call):
    """The arguments of a factory; constants only, as in Gunicorn."""
    import ast

    try:
        call = ast.parse(call, mode="eval").body
        return [ast.literal_eval(each) for each in call.args], {
            each.arg: ast.literal_eval(each.value) for each in call.keywords
        }
    except (SyntaxError, ValueError):
        raise RuntimeError(
            f"flaskops: the arguments of the factory must be constants; got {call!r}. Write module"
            " and callable."
        ) from None


def _file(path):
    """A module that a uwsgi.ini names by its file."""
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, loaded)
    spec.loader.exec_module(loaded)
    return loaded


def wrap(app, mount):
    """The application behind Nginx; mount is "" for an application that knows its path."""
    streams = _streams()
    if uwsgi:
        app = _chunked(app, streams)
        if "threads" in uwsgi.opt:
            app = _unblocked(app)
    elif streams:
        app = _counted(app, streams)

    def serve(environ, start_response):
        address = environ.get("HTTP_X_REAL_IP")
        if address:
            environ["REMOTE_ADDR"] = address
        scheme = environ.get("HTTP_X_FORWARDED_PROTO")
        if scheme:
            environ["wsgi.url_scheme"] = scheme
        if len(environ.get("CONTENT_LENGTH", "")) > DIGITS:
            return _Read(app(environ, start_response), environ["wsgi.input"])
        if uwsgi and "HTTP_UPGRADE" in environ:
            return _upgrade(app, environ, start_response, streams)
        return app(environ, start_response)

    if not mount:
        return serve
    length, below = len(mount), mount + "/"

    def mounted(environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith(below):
            environ["SCRIPT_NAME"] = mount
            environ["PATH_INFO"] = path[length:]
            return serve(environ, start_response)
        found = _resolved(mount, path)
        if found.startswith(below):
            environ["PATH_INFO"] = found
            return mounted(environ, start_response)
        return _elsewhere(mount, found, environ, start_response)

    return mounted


def _resolved(mount, path):
    """The path as Nginx resolves it, up to the mount: with // as one slash, and without . and ...
    The rest is not changed.
    """
    names, rest = [], path.split("/")
    while rest and "/" + "/".join(names) != mount:
        name = rest.pop(0)
        if name == "..":
            del names[-1:]
        elif name not in ("", "."):
            names.append(name)
    return "/".join(["", *names, *rest])


def _elsewhere(mount, path, environ, start_response):
    """Redirect the path without its slash, relatively; any other path is not found."""
    if path == mount:
        query = environ.get("QUERY_STRING")
        start_response(
            "308 Permanent Redirect",
            [("Location", f"{mount}/?{query}" if query else f"{mount}/"), ("Content-Length", "0")],
        )
        return []
    text = b"The application is mounted elsewhere.\n"
    start_response(
        "404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
    )
    return [text]


def _chunked(app, streams=None):
    """The application under uWSGI, which ends an answer without a length by closing: an interrupted
    one would look complete.

    Such an answer is sent in chunks, and the last chunk only when the application has finished.
    Nginx decodes the chunks and passes each one on at once, while it would buffer an answer without
    a length.
    """

    def serve(environ, start_response):
        held = None  # until the application begins

        def begin(status, headers, exc_info=None):
            nonlocal held
            for name, _value in headers:
                if name in LENGTHS:
                    break
            else:
                if not _ends(environ, status, headers):
                    held = held or _Held(start_response)
                    return held.begin(status, headers, exc_info)
            held = False
            return start_response(status, headers, exc_info)

        try:
            answer = app(environ, begin)
            if held is False:
                return answer
            answer = _Parts(answer, streams)
        except Exception as error:
            if (
                (held and held.sent)
                or "HTTP_UPGRADE" in environ
                or isinstance(error, StopIteration)
            ):
                raise  # a client that reads already, or a websocket, cannot get another answer
            return _broken(start_response)
        if held:
            held.send()
            answer.chunked = True
        return answer

    return serve


def _broken(start_response):
    """The answer to a request that raised an exception: uWSGI would send none, and Nginx 502."""
    traceback.print_exc()
    text = b"Internal Server Error\n"
    start_response(
        "500 Internal Server Error",
        [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))],
    )
    return [text]


def _unblocked(app):
    """The application in threads of uWSGI, which block all signals: a child process would inherit
    that, and could not even be terminated.

    The kernel delivers signals of the process to its first thread, as before.
    """
    known = set()

    def serve(environ, start_response):
        thread = threading.get_ident()
        if thread not in known:
            known.add(thread)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return app(environ, start_response)

    return serve


def _ends(environ, status, headers):
    """Whether an answer has no body, has its length in another spelling, or is for a client that
    does not know chunks.
    """
    if status[:1] == "1" or status[:3] in ("204", "304") or environ.get("REQUEST_METHOD") == "HEAD":
        return True
    return environ.get("SERVER_PROTOCOL") != "HTTP/1.1" or any(
        name.title() in LENGTHS for name, _value in headers
    )


def _chunk(part):
    return b"%x\r\n%b\r\n" % (len(part), part)


class _Held:
    """The head of an answer without a length: it is sent with the first part, so that an earlier
    failure is a 500.
    """

    def __init__(self, start_response):
        self._start_response = start_response
        self._head = self.sent = None  # sent: uWSGI's function for further writes

    def begin(self, status, headers, exc_info):
        if self.sent and exc_info:
            raise exc_info[1].with_traceback(exc_info[2])
        self._head = status, [*headers, ("Transfer-Encoding", "chunked")]
        return self.write

    def send(self):
        if not self.sent:
            self.sent = self._start_response(*self._head)

    def write(self, part):
        self.send()
        if part:
            self.sent(_chunk(part))


def _parts(answer):
    """The answer as an iterator of parts; uWSGI would send a file line by line."""
    if answer is None or isinstance(answer, bytes):
        return iter([answer] if answer else [])
    read = getattr(answer, "read1", None) or getattr(answer, "read", None)
    return iter(lambda: read(SIZE), b"") if read else iter(answer)


class _Parts:
    """An answer whose first part is known; in chunks if chunked is set."""

    def __init__(self, answer, streams=None):
        self._answer = answer
        self._streams = streams
        self.chunked = False
        if streams:
            streams.enter()
        try:
            parts = _parts(answer)
            self._parts = itertools.chain(list(itertools.islice(parts, 1)), parts)
        except BaseException:
            self.close()
            raise

    def __iter__(self):
        return self._chunks() if self.chunked else self._parts

    def _chunks(self):
        for part in self._parts:
            yield _chunk(part) if part else b""
        yield b"0\r\n\r\n"

    def close(self):
        streams, self._streams = self._streams, None
        if streams:
            streams.leave()
        if hasattr(self._answer, "close"):
            self._answer.close()


def _streams():
    """The counter of streams in this process; None with greenlets."""
    if not uwsgi:
        threads = int(os.environ.get("FLASKOPS_THREADS") or 0)
        return _Streams(threads, "gunicorn", lambda: True) if threads else None
    if "threads" not in uwsgi.opt or "gevent" in uwsgi.opt:
        return None
    said = uwsgi.opt["threads"]
    return _Streams(int(said[-1] if isinstance(said, list) else said), "uwsgi", _waits)


class _Streams:
    """The open answers without a length, and the open websockets, of this process: each occupies a
    thread.

    When all threads are occupied, other requests wait; the log says so once.
    """

    def __init__(self, threads, engine, waits):
        self._threads, self._engine, self._waits = threads, engine, waits
        self._lock = threading.Lock()
        self._watched = False
        self.open = 0

    def enter(self):
        with self._lock:
            self.open += 1
            if self.open < self._threads or self._watched:
                return
            self._watched = True
        threading.Thread(target=self._watch, daemon=True).start()

    def leave(self):
        with self._lock:
            self.open -= 1

    def _watch(self):
        """Until a thread is free, check whether requests wait, twice in a row."""
        begun, waited = time.monotonic(), False
        while self.open >= self._threads:
            time.sleep(PAUSE)
            waits = time.monotonic() - begun >= HELD and self._waits()
            if waits and waited:
                print(
                    f"flaskops: open streams hold all {self._threads} threads of a process, and"
                    " requests wait. Write websocket: true, with which a stream holds no thread,"
                    f" or a larger {self._engine}.threads.",
                    flush=True,
                )
                return
            waited = waits
        self._watched = False


def _waits():
    """Whether a connection waits to be accepted, by this or another process: all are occupied."""
    import flaskops_fork

    for descriptor in flaskops_fork.sockets().values():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as one:
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                poll = select.poll()
                poll.register(one, select.POLLIN)
                if poll.poll(0):
                    return True
    return False


def _counted(app, streams):
    """The application under Gunicorn, which sends answers without a length in chunks: they are
    counted, and websockets too.
    """

    def serve(environ, start_response):
        open_end = False

        def begin(status, headers, exc_info=None):
            nonlocal open_end
            open_end = not any(name in LENGTHS for name, _value in headers) and not _ends(
                environ, status, headers
            )
            return start_response(status, headers, exc_info)

        if "HTTP_UPGRADE" in environ:
            streams.enter()
            try:
                return app(environ, start_response)
            finally:
                streams.leave()
        answer = app(environ, begin)
        return _Counted(answer, streams) if open_end else answer

    return serve


class _Counted:
    """An answer that is counted until it is closed."""

    def __init__(self, answer, streams):
        self._answer, self._streams = answer, streams
        streams.enter()

    def __iter__(self):
        return iter(self._answer)

    def close(self):
        self._streams.leave()
        if hasattr(self._answer, "close"):
            self._answer.close()


class _Read:
    """An answer that reads the rest of the request body: unread data on the socket would make Nginx
    fail the answer (502).
    """

    def __init__(self, answer, request):
        self._answer = answer
        self._request = request

    def __iter__(self):
        return iter(self._answer)

    def close(self):
        try:
            if hasattr(self._answer, "close"):
                self._answer.close()
        finally:
            with contextlib.suppress(OSError):  # Nginx has the answer
                while self._request.read(65536):
                    pass


def _upgrade(app, environ, start_response, streams=None):
    """Give a websocket its socket under Gunicorn's name, where simple-websocket, and so flask-sock,
    looks for it.
    """
    client = environ["gunicorn.socket"] = _Client()
    if streams:
        streams.enter()
    try:
        return app(environ, start_response)
    except StopIteration:  # the end of a websocket for Gunicorn
        return []
    finally:
        client.release()
        if streams:
            streams.leave()


class _Client:
    """The client's socket. It is duplicated at its first use, as some use uWSGI's API instead."""

    def __init__(self):
        self._descriptor = uwsgi.connection_fd()
        self._socket = None

    def __getattr__(self, name):
        if self._socket is None:
            self._socket = socket.socket(fileno=os.dup(self._descriptor))
            self._socket.settimeout(None)
        return getattr(self._socket, name)

    def release(self):
        if self._socket is not None:
            self._socket.close()


def _load():
    """The application of this container; the log has the findings on forks."""
    import flaskops_fork

    flaskops_fork.watch()
    before = flaskops_fork.sockets()
    place = os.environ["FLASKOPS_MODULE"], os.environ["FLASKOPS_CALLABLE"]
    try:
        app = load(*place)
    except Exception as error:
        import flaskops_writes

        if flaskops_writes.is_refused(error):
            flaskops_writes.look(*place)
        raise
    forks = uwsgi.worker_id() == 0 if uwsgi else os.environ.get("FLASKOPS_PRELOAD") == "1"
    if forks:
        flaskops_fork.settle()
    processes = uwsgi.numproc if uwsgi else int(os.environ.get("WEB_CONCURRENCY", "1"))
    for line in flaskops_fork.findings(before, forks, processes):
        print(f"flaskops: {line}", flush=True)
    return app


if "FLASKOPS_MODULE" in os.environ:
    application = wrap(_load(), os.environ.get("FLASKOPS_MOUNT", ""))
