"""What the application server calls, whichever it is: the application, told who asks and where it is mounted.

Over a unix socket the peer has no address, so the client's address and scheme are what our own Nginx says. The entrypoint has written
into the environment which application to load (FLASKOPS_MODULE, FLASKOPS_CALLABLE) and, for one that knows nothing of its path, the
path that is taken off and told as SCRIPT_NAME (FLASKOPS_MOUNT). This is on the way of every request: it stays as short as it is.
"""

import contextlib
import importlib
import importlib.util
import os
import socket
import sys
import traceback

try:
    import uwsgi  # exists inside uWSGI only
except ImportError:
    uwsgi = None
# A body whose length has more of them may not fit into the buffer of a unix socket.
DIGITS = 5


def load(module, name):
    """The application; whatever is wrong with it ends the server, by an exception that both servers take for the end."""
    try:
        loaded = _file(module) if module.endswith(".py") else importlib.import_module(module)
    except SystemExit as error:  # Gunicorn would try again for ever
        traceback.print_exc()
        raise RuntimeError(f"flaskops: {module} ended the program while it was imported: {error}") from None
    attribute, factory, given = name.partition("(")
    app = getattr(loaded, attribute, None)
    if app is None:
        names = ", ".join(sorted(each for each, value in vars(loaded).items() if callable(value) and each[0] != "_")) or "none"
        raise RuntimeError(f"flaskops: {module} has no {attribute!r}; what can be called in it: {names}. Write module and callable.")
    if factory:
        arguments, keywords = ([], {}) if given == ")" else _arguments(name)
        app = app(*arguments, **keywords)
    if not callable(app):
        raise RuntimeError(f"flaskops: {name!r} of {module} is {type(app).__name__}, which cannot be called. Write module and callable.")
    return app


def _arguments(call):
    """What a factory is called with; constants only, as Gunicorn has it."""
    import ast

    try:
        call = ast.parse(call, mode="eval").body
        return [ast.literal_eval(each) for each in call.args], {each.arg: ast.literal_eval(each.value) for each in call.keywords}
    except (SyntaxError, ValueError):
        raise RuntimeError(f"flaskops: the arguments of the factory in {call!r} are no constants. Write module and callable.") from None


def _file(path):
    """A module that a uwsgi.ini names by its file."""
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    loaded = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(spec.name, loaded)
    spec.loader.exec_module(loaded)
    return loaded


def wrap(app, mount):
    """The application behind our Nginx; mount is "" where the application knows its path."""

    def told(environ, start_response):
        address = environ.get("HTTP_X_REAL_IP")
        if address:
            environ["REMOTE_ADDR"] = address
        scheme = environ.get("HTTP_X_FORWARDED_PROTO")
        if scheme:
            environ["wsgi.url_scheme"] = scheme
        if len(environ.get("CONTENT_LENGTH", "")) > DIGITS:
            return _Read(app(environ, start_response), environ["wsgi.input"])
        if uwsgi and "HTTP_UPGRADE" in environ:
            return _upgrade(app, environ, start_response)
        return app(environ, start_response)

    if not mount:
        return told
    length, below = len(mount), mount + "/"

    def mounted(environ, start_response):
        path = environ["PATH_INFO"]
        if path.startswith(below):
            environ["SCRIPT_NAME"] = mount
            environ["PATH_INFO"] = path[length:]
            return told(environ, start_response)
        return _elsewhere(mount, path, environ, start_response)

    return mounted


def _elsewhere(mount, path, environ, start_response):
    """The path without its slash is redirected, relatively; what is not below it is not ours."""
    if path == mount:
        query = environ.get("QUERY_STRING")
        start_response("308 Permanent Redirect", [("Location", f"{mount}/?{query}" if query else f"{mount}/"), ("Content-Length", "0")])
        return []
    text = b"The application is mounted elsewhere.\n"
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]


class _Read:
    """An answer whose request is read to its end: what a socket does not hold would make Nginx give up the answer too (502)."""

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
            with contextlib.suppress(OSError):  # Nginx has what it wanted
                while self._request.read(65536):
                    pass


def _upgrade(app, environ, start_response):
    """uWSGI keeps the socket to itself; simple-websocket, and with it flask-sock, looks for it where Gunicorn puts it."""
    client = environ["gunicorn.socket"] = _Client()
    try:
        return app(environ, start_response)
    except StopIteration:  # the end of a websocket, in the way that Gunicorn wants to be told
        return []
    finally:
        client.release()


class _Client:
    """The client's socket, taken from uWSGI only by those who use it: the others speak through uWSGI's own API."""

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


if "FLASKOPS_MODULE" in os.environ:
    application = wrap(load(os.environ["FLASKOPS_MODULE"], os.environ["FLASKOPS_CALLABLE"]), os.environ.get("FLASKOPS_MOUNT", ""))
