"""Runs the server of an application for its developer: the next request sees what was saved.

It is the first process of the container under the engine's init, in all images (python3, 3.7 or
newer). The arguments are the command of the server, which listens on FLASKOPS_SOCKET as it does
behind Nginx. Each request passes through here: when a file below FLASKOPS_WATCH has changed, the
server is restarted first. Headers, redirects and cookies are changed as Nginx changes them.
"""

import asyncio
import collections
import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

PORT = 5000
SIZE = 65536
HEAD = 65536
PAUSE = 0.5  # seconds between two looks at the files when nobody asks
START = 60  # seconds that the server may take to listen
STOP = 3  # seconds that running requests get when a file has changed
# Directories that are not the application, and temporary files of editors.
SKIPPED = {"__pycache__", "node_modules", "venv", "env"}
PASSING = ("~", ".swp", ".swx", ".tmp", ".pyc", ".log")
# Headers that only Nginx sets.
OURS = ("connection", "keep-alive", "expect", "proxy", "forwarded", "x-real-ip", "x-request-id")
ROOT_COOKIE = re.compile(r"(;\s*path=)/(?=\s*(?:;|$))", re.IGNORECASE)
# The first line of an error, and the line between two errors of a chain.
TRACEBACK = "Traceback (most recent call last):"
CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
ERROR = re.compile(r"(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|NotFound|Exit)(?::|$)")


def say(text):
    print("flaskops: " + text, flush=True)


def snapshot(roots, unwatched=()):
    """The watched files: time and size by path."""
    found = {}
    for root in roots:
        for directory, names, files in os.walk(root):
            names[:] = [
                name
                for name in names
                if name not in SKIPPED
                and name[0] != "."
                and os.path.join(directory, name) not in unwatched
            ]
            for name in files:
                if name[0] == "." or name.endswith(PASSING) or name.isdigit():
                    continue
                path = os.path.join(directory, name)
                with contextlib.suppress(OSError):
                    status = os.stat(path)
                    found[path] = (status.st_mtime_ns, status.st_size)
    return found


def difference(before, after):
    """The paths of the files that differ."""
    return sorted(path for path in {*before, *after} if before.get(path) != after.get(path))


def rewrite(head, prefix):
    """The head of a request as Nginx passes it on, its host, and whether the client expects a 100
    Continue.
    """
    first, *lines = head.decode("latin-1").split("\r\n")
    kept, upgrade, waits, host = [], False, False, ""
    for line in lines:
        name, _, value = line.partition(":")
        low = name.strip().lower()
        upgrade = upgrade or low == "upgrade"
        waits = waits or (low == "expect" and "100-continue" in value.lower())
        host = value.strip() if low == "host" else host
        if line and low not in OURS and not low.startswith("x-forwarded-"):
            kept.append(line)
    said = [
        ("X-Real-IP", "127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", host),
    ]
    if prefix:
        said.append(("X-Forwarded-Prefix", prefix))
    said.append(("Connection", "upgrade" if upgrade else "close"))
    kept += ["{}: {}".format(*entry) for entry in said]
    return "\r\n".join([first, *kept, "", ""]).encode("latin-1"), host, waits


def led_back(head, host, prefix, cookie_path):
    """The head of an answer as Nginx passes it on. The macro proxy of macros.j2 and the maps
    $flaskops_target and $flaskops_taken are the same rules.

    Args:
        head: with its last line break.
        host: that of the request.
        prefix: the path that the application does not know, or "".
        cookie_path: the path of a cookie that the application sets for "/", or "".
    """
    lines = head.decode("latin-1").split("\r\n")
    for number, line in enumerate(lines):
        name, _, value = line.partition(":")
        low, value = name.strip().lower(), value.strip()
        if low == "location" and prefix:
            here = "http://" + host
            target = value[len(here) :] if value.startswith(here + "/") else value
            if re.match(r"/(?!/)", target) and not re.match(
                re.escape(prefix) + "(?:[/?#]|$)", target
            ):
                lines[number] = f"{name}: {prefix}{target}"
        elif low == "set-cookie" and cookie_path:
            lines[number] = ROOT_COOKIE.sub(lambda found: found[1] + cookie_path, line)
    return "\r\n".join(lines).encode("latin-1")


def family(pid):
    """A process and its descendants; the relay starts its server in another process group."""
    children = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            parent = int(file.read().rpartition(b")")[2].split()[1])
            children.setdefault(parent, []).append(int(name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


class Server:
    """The application server, as in production."""

    def __init__(self, command, path, port, roots, unwatched):
        self.command = command
        self.socket = path
        self.port = port  # of the server behind the relay, which takes requests before it listens
        self.roots = roots
        self.unwatched = unwatched
        self.files = {}
        self.process = None
        self.lines = collections.deque(maxlen=60)
        self.lock = asyncio.Lock()

    async def fresh(self):
        """Start the server, and restart it when a file has changed. When it ends, its last lines
        have the error.
        """
        async with self.lock:
            loop = asyncio.get_event_loop()
            now = await loop.run_in_executor(None, snapshot, self.roots, self.unwatched)
            changed = difference(self.files, now)
            if self.process and not changed:
                return
            if self.process:
                rest = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
                say(f"{changed[0]}{rest} changed: the server restarts")
                if any(
                    os.path.basename(path).startswith(("requirements", "pyproject", "uv.lock"))
                    for path in changed
                ):
                    say(
                        "requirements are installed when bin/dev starts: stop it and start it again"
                    )
                await loop.run_in_executor(None, self.stop)
            self.files = now
            await loop.run_in_executor(None, self.start)

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.socket)
        self.lines.clear()
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        threading.Thread(target=self.copy, args=(self.process.stdout,), daemon=True).start()
        end = time.monotonic() + START
        while time.monotonic() < end and self.process.poll() is None:
            if self.listens():
                return
            time.sleep(0.02)
        time.sleep(0.1)  # its last lines
        say(
            "the server has ended; it restarts when a file changes"
            if self.process.poll() is not None
            else f"the server does not listen after {START} seconds"
        )

    def listens(self):
        if not self.port:
            return os.path.exists(self.socket)
        with socket.socket() as probe:
            return not probe.connect_ex(("127.0.0.1", self.port))

    async def connect(self):
        while True:
            try:
                return await asyncio.open_unix_connection(self.socket, limit=HEAD)
            except (
                ConnectionRefusedError
            ):  # the socket is bound, and the server does not listen yet
                if self.process.poll() is not None:
                    raise
                await asyncio.sleep(0.02)

    def copy(self, pipe):
        for line in iter(pipe.readline, b""):
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
            self.lines.append(line.decode(errors="replace"))

    def stop(self):
        if self.process is None or self.process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP)
            return
        for pid in family(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        end = time.monotonic() + STOP
        while self.port and self.listens() and time.monotonic() < end:  # it is still ending
            time.sleep(0.02)


def answer(status, text, *headers):
    body = text.encode()
    lines = [
        f"HTTP/1.1 {status}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def telling(lines):
    """The output of a server from its last error on; all of it without an error."""
    starts = [number for number, line in enumerate(lines) if line.startswith(TRACEBACK)]
    while len(starts) > 1 and any(
        line.startswith(CHAINED) for line in lines[starts[-2] : starts[-1]]
    ):
        starts.pop()
    errors = starts or [number for number, line in enumerate(lines) if ERROR.match(line)]
    if not errors and lines and lines[-1].startswith("flaskops: "):  # the entrypoint has ended
        return lines[-1:]
    return lines[errors[-1] :] if errors else lines


def target_of(head):
    """The path and query of a request."""
    return head.split(b" ", 2)[1].decode("latin-1") if head.count(b" ") > 1 else "/"


async def pump(reader, writer):
    """Copy from one side to the other until it ends."""
    with contextlib.suppress(OSError):  # one of them has gone
        while True:
            data = await reader.read(SIZE)
            if not data:
                break
            writer.write(data)
            await writer.drain()


class Front:
    """What a host has Nginx for: it passes requests to the server, and answers back."""

    def __init__(self, server, prefix, mode, cookie_path=""):
        self.server = server
        self.prefix = prefix
        # "strip": the path is removed here. "tell": our server removes it. "": the application has
        # it before its routes.
        self.mode = mode
        self.cookie_path = cookie_path

    async def accepted(self, reader, writer):
        other = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            bare = self.is_bare(head)
            here = self.elsewhere(head)
            if here:
                writer.write(here)
                return
            await self.server.fresh()
            mapped = self.prefix if self.mode else ""
            head, host, waits = rewrite(self.stripped(head[:-4]), mapped)
            if waits:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            answered = b""
            with contextlib.suppress(OSError):  # nobody listens
                theirs, other = await self.server.connect()
                other.write(head)
                up = asyncio.ensure_future(pump(reader, other))
                answered = await self.head_of(theirs, writer)
                if bare and answered.split(b" ", 2)[1:2] == [b"404"]:
                    writer.write(bare)
                    while await theirs.read(SIZE):
                        pass
                elif answered:
                    writer.write(led_back(answered, host, mapped, self.cookie_path))
                    await pump(theirs, writer)
                up.cancel()
            if not answered:
                await asyncio.sleep(0.2)  # its last lines
                text = (
                    "The application gave no answer. The last lines that it wrote:\n\n"
                    + "".join(telling(list(self.server.lines)))
                )
                writer.write(answer("502 Bad Gateway", text))
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # the client has gone, or does not speak HTTP
        finally:
            for each in (writer, other):
                if each:
                    with contextlib.suppress(OSError):
                        each.close()

    async def head_of(self, theirs, writer):
        """The head of an answer, after interim ones; what there is of one that is not complete."""
        while True:
            try:
                head = await theirs.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError as error:
                return error.partial
            except asyncio.LimitOverrunError:
                return await theirs.read(HEAD)
            status = head.split(b" ", 2)[1:2]
            if not status or status[0][:1] != b"1" or status == [b"101"]:
                return head
            writer.write(head)

    def is_bare(self, head):
        """The redirect for the path without its last slash, which the application does not know or
        answers with 404; else None.
        """
        path, _, query = target_of(head).partition("?")
        if not self.prefix or path != self.prefix:
            return None
        query = "?" + query if query else ""
        return answer("308 Permanent Redirect", "", f"Location: {self.prefix}/{query}")

    def elsewhere(self, head):
        """The answer for a path that is not the application's; else None."""
        path = target_of(head).partition("?")[0]
        if not self.prefix or path.startswith(self.prefix + "/"):
            return None
        if path == self.prefix:
            return self.is_bare(head) if self.mode else None
        return answer("404 Not Found", f"The application is at {self.prefix}/\n")

    def stripped(self, head):
        if self.mode != "strip" or not self.prefix:
            return head
        method, _, rest = head.partition(b" ")
        return method + b" " + rest[len(self.prefix) :]


async def run(environment, command):
    watched, unwatched = (
        [path for path in environment.get(name, "").split(":") if path]
        for name in ("FLASKOPS_WATCH", "FLASKOPS_UNWATCHED")
    )
    port = int(environment.get("FLASKOPS_PORT") or 0)
    server = Server(command, environment["FLASKOPS_SOCKET"], port, watched, unwatched)
    names = ("FLASKOPS_PREFIX", "FLASKOPS_PREFIX_MODE", "FLASKOPS_COOKIE_PATH")
    front = Front(server, *(environment.get(name, "") for name in names))
    listener = await asyncio.start_server(front.accepted, "0.0.0.0", PORT, limit=HEAD)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_event_loop().add_signal_handler(number, ended.set)

    async def watch():
        await server.fresh()
        if environment.get("FLASKOPS_URL"):
            print(f"==> {environment['FLASKOPS_URL']}   Press Ctrl-C to stop", flush=True)
        while True:
            await server.fresh()
            await asyncio.sleep(PAUSE)

    watching = asyncio.ensure_future(watch())
    waiting = asyncio.ensure_future(ended.wait())
    done, _ = await asyncio.wait([watching, waiting], return_when=asyncio.FIRST_COMPLETED)
    listener.close()
    server.stop()
    if watching in done:
        watching.result()  # its error


if __name__ == "__main__":
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.run_until_complete(run(os.environ, sys.argv[1:]))
    sys.stdout.flush()
    os._exit(0)
