"""Finds all writes of an application while it is loaded, after the first refused one has ended the
load.

Python's error names one refused write, and the next start fails at the next one: three writes would
take three deploys. So a separate process loads the application again, and there each write to the
read-only file system seems to succeed; each is a line of the log, which the health check reads. It
gets further than the first load, so any effect outside of /tmp ends it: a write or removal on a
volume, a program, a connection. Otherwise code that believes its file was saved could remove the
original from a volume.
"""

import builtins
import contextlib
import errno
import io
import os
import subprocess
import sys
import tempfile

SECONDS = 10
# Once is enough, however many processes load the application.
ONCE = os.path.join(tempfile.gettempdir(), "flaskops-writes")
# Audit events of Python (sys.addaudithook): effects outside of this process, and written paths.
_OUTSIDE = {"subprocess.Popen", "socket.connect", "socket.sendto", "socket.sendmsg", "pty.spawn"}
_OUTSIDE |= {
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "os.kill",
    "os.killpg",
}
_WRITTEN = {
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    **dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate"), 1),
}
_WRITTEN |= dict.fromkeys(
    ("os.chmod", "os.chown", "os.utime", "os.setxattr", "os.removexattr", "sqlite3.connect"), 1
)
_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SQLITE = "unable to open database file"


def is_refused(error):
    """Whether a write to the read-only file system caused an exception, directly or not."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if getattr(error, "errno", None) == errno.EROFS or _SQLITE in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def look(module, name):
    """Load the application again in another process, which reports its writes; the output of the
    application is not shown.
    """
    try:
        os.close(os.open(ONCE, os.O_CREAT | os.O_EXCL, 0o600))
    except OSError:
        return
    command = [sys.executable, __file__, module, name]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("FLASKOPS_MODULE", None)  # flaskops_wsgi is only imported there
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(
            command,
            env=environment,
            timeout=SECONDS,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


def guard(event, arguments):
    """An audit hook that ends the process before an effect outside of it."""
    paths = arguments[: _WRITTEN.get(event, 0)]
    if event == "open" and (arguments[2] or 0) & _FLAGS:
        paths = arguments[:1]
    if event == "os.mkdir" and os.path.isdir(arguments[0]):
        return  # nothing is created
    if event in _OUTSIDE or any(_is_lasting(path) for path in paths):
        os._exit(0)


def _is_lasting(path):
    """Whether a path is, or would be, on a writable file system other than /tmp. A read-only one
    refuses writes.
    """
    if isinstance(path, int) or path in (":memory:", b":memory:"):
        return False
    path = os.fsdecode(path)
    if path.startswith("file:"):  # of SQLite
        return True
    place, temporary = os.path.realpath(path), os.path.realpath(tempfile.gettempdir())
    while not os.path.lexists(place):
        place = os.path.dirname(place)
    if os.path.commonpath([place, temporary]) == temporary or place.startswith("/dev/"):
        return False
    return not os.statvfs(place).f_flag & os.ST_RDONLY


class Writes:
    """Replaces Python's functions that write; a refused write seems to succeed."""

    def __init__(self, say):
        self.say = say
        self.made = {}  # the file below /tmp that replaces one, "" for a directory

    def begin(self):
        for module, name in ((builtins, "open"), (io, "open"), (os, "open"), (os, "mkdir")):
            setattr(module, name, self._instead(getattr(module, name), name))
        for name in ("rename", "replace", "symlink", "link"):
            setattr(os, name, self._nothing(getattr(os, name), 1))
        for name in ("unlink", "remove", "rmdir", "chmod", "chown", "utime", "truncate"):
            setattr(os, name, self._nothing(getattr(os, name), 0))
        with contextlib.suppress(ImportError):
            import sqlite3

            sqlite3.connect = sqlite3.dbapi2.connect = self._database(sqlite3.connect)

    def _instead(self, function, kind):
        def run(path, *arguments, **keywords):
            known = self._key(path)
            if self.made.get(known):
                return function(self.made[known], *arguments, **keywords)
            try:
                return function(path, *arguments, **keywords)
            except OSError as error:
                if not self._is_ours(known, error):
                    raise
                self._note(known, kind)
                if kind == "mkdir":
                    return None
                return function(self.made[known], *arguments, **keywords)

        return run

    def _nothing(self, function, place):
        """For a function without a result. The argument at this place is the written path; one
        after the first is a new path.
        """

        def run(*arguments, **keywords):
            try:
                return function(*arguments, **keywords)
            except OSError as error:
                known = self._key(arguments[place]) if len(arguments) > place else ""
                if not self._is_ours(known, error):
                    raise
                if place:
                    self._note(known, "open")
                return None

        return run

    def _database(self, function):
        def run(database, *arguments, **keywords):  # by its name too
            try:
                return function(database, *arguments, **keywords)
            except Exception as error:
                if _SQLITE not in str(error):
                    raise
                self._note(self._key(database), "connect")
                return function(":memory:")

        return run

    def _key(self, path):
        try:
            return os.path.abspath(os.fsdecode(path))
        except TypeError:  # a descriptor
            return ""

    def _is_ours(self, known, error):
        """Whether it is refused because the file system is read-only, or because it is in a
        directory that only seems to exist.
        """
        if not known:
            return False
        return error.errno == errno.EROFS or (
            error.errno == errno.ENOENT and self.made.get(os.path.dirname(known)) == ""
        )

    def _note(self, known, kind):
        if known in self.made:
            return
        inside = self.made.get(os.path.dirname(known)) == ""
        self.made[known] = "" if kind == "mkdir" else tempfile.mkstemp()[1]
        if not inside:  # the whole directory is reported
            words = _SQLITE if kind == "connect" else f"[Errno 30] Read-only file system: {known!r}"
            self.say(f"flaskops: it would also be refused {kind}({known!r}): {words}")


def main(module, name):
    saved = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    writes = Writes(lambda line: os.write(saved, f"{line}\n".encode()))
    import flaskops_wsgi

    tempfile.gettempdir()  # it writes to find a place
    writes.begin()
    sys.dont_write_bytecode = True
    sys.addaudithook(guard)
    with contextlib.suppress(BaseException):
        flaskops_wsgi.load(module, name)
    os._exit(0)  # with the threads of the application


if __name__ == "__main__":
    main(*sys.argv[1:])
