"""Starts the server of a foreign image, and connects it to the socket that Nginx uses.

The python3 of the image (3.6 or newer) runs it as the first process under the engine's init.
FLASKOPS_COMMAND is the shell command that starts the server; without it, the arguments are its
command. With FLASKOPS_PORT the server listens on TCP in this container, and each connection to the
socket is relayed to it; without, the server creates the socket. After --run, the other arguments
are a command that serves no requests.
"""

import asyncio
import contextlib
import os
import signal
import stat
import subprocess
import sys

SECRETS = "/run/secrets"
VARIABLE_BYTES = 100000  # of a secret
SIZE = 65536
# The programs of an application's packages in the runtime image, and names that are not theirs.
PROGRAMS = ("/opt/app/bin", "/opt/project/bin")
OF_PYTHON = ("python", "pip", "activate", "Activate")
# Seconds for the last answers after the server has ended.
REST = 5


def say(text):
    print("flaskops: " + text, flush=True)


def give_secrets(env):
    """Make variables of the secrets that FLASKOPS_SECRETS names, as the entrypoint of the runtime
    image does.
    """
    for name in env.pop("FLASKOPS_SECRETS", "").split():
        try:
            with open(os.path.join(SECRETS, name), "rb") as file:
                value = file.read(VARIABLE_BYTES + 1)
        except OSError as error:
            say(f"the secret {name} cannot be read: {error.strerror}")
            continue
        if b"\0" in value or len(value) > VARIABLE_BYTES:
            say(f"the secret {name} stays a file: a variable has at most 100 kB and no NUL")
        else:
            env[name] = os.fsdecode(value)


def show_programs():
    """The programs that could be started instead of a missing one."""
    found = set()
    for place in PROGRAMS:
        with contextlib.suppress(OSError):  # in another image only root may read it
            found.update(os.listdir(place))
    names = sorted(name for name in found if not name.startswith(OF_PYTHON))[:40]
    if names:
        say("programs that its packages brought: " + ", ".join(names))


async def pump(reader, writer):
    """Copy from one side to the other, and then close that direction."""
    try:
        while True:
            data = await reader.read(SIZE)
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        writer.close()  # the other side is closed


class Relay:
    def __init__(self, path, port):
        self.path = path
        self.port = port
        self.open = set()

    async def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        before = os.umask(0o111)
        try:
            server = await asyncio.start_unix_server(self._accepted, self.path, backlog=1024)
        finally:
            os.umask(before)
        return server

    async def _accepted(self, reader, writer):
        task = asyncio.ensure_future(self._connected(reader, writer))
        self.open.add(task)
        task.add_done_callback(self.open.discard)

    async def _connected(self, reader, writer):
        other = None
        try:
            # A server that does not listen yet refuses: the socket closes for Nginx and the health
            # check.
            theirs, other = await asyncio.open_connection("127.0.0.1", self.port)
            await asyncio.wait(
                [
                    asyncio.ensure_future(pump(reader, other)),
                    asyncio.ensure_future(pump(theirs, writer)),
                ]
            )
        except OSError:
            pass
        finally:
            writer.close()
            if other:
                other.close()


async def open_to_nginx(path):
    """Let Nginx write to the socket that the server creates with the mode of its umask."""
    pause = 0.05
    while True:
        try:
            mode = os.stat(path).st_mode
            if stat.S_ISSOCK(mode) and stat.S_IMODE(mode) & 0o666 != 0o666:
                os.chmod(path, 0o666)
                pause = 1
        except OSError:
            pause = 0.05
        await asyncio.sleep(pause)


def send(group, number):
    """Send a signal to all processes of the server; returns whether there was one."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True


async def run(environment, arguments):
    """The exit code of the server."""
    loop = asyncio.get_event_loop()
    path, port = environment["FLASKOPS_SOCKET"], environment.get("FLASKOPS_PORT")
    line = environment.get("FLASKOPS_COMMAND")
    words = ["sh", "-c", line] if line else arguments
    if not words:
        say("the image has no command; write command")
        return 1
    relay = Relay(path, int(port or 0))
    server = await relay.start() if port else None
    watch = asyncio.ensure_future(open_to_nginx(path)) if not port else None
    say("starts {}{}".format(" ".join(words), ", relayed to port " + port if port else ""))
    try:
        # A new process group: a shell that stays does not pass SIGTERM on to the server.
        process = subprocess.Popen(words, env=dict(environment), start_new_session=True)
    except OSError as error:
        say(f"{words[0]} cannot be started: {error.strerror}")
        return 127

    stopping = []

    def stop(number):
        stopping.append(number)
        if server:
            server.close()  # running requests continue
        send(process.pid, number)

    for number in (
        signal.SIGTERM,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
    ):
        ends = number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
        loop.add_signal_handler(number, *((stop, number) if ends else (send, process.pid, number)))
    code = await loop.run_in_executor(None, process.wait)
    if code == 127:
        show_programs()
    while stopping and send(process.pid, 0):  # the shell has ended, the server finishes
        await asyncio.sleep(0.05)
    if watch:
        watch.cancel()
    if server:
        server.close()
        if relay.open:
            await asyncio.wait(list(relay.open), timeout=REST)
        with contextlib.suppress(OSError):
            os.unlink(path)
    return 128 - code if code < 0 else code


def main():
    give_secrets(os.environ)
    if sys.argv[1:2] == ["--run"]:
        os.execvp(sys.argv[2], sys.argv[2:])
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    code = loop.run_until_complete(run(os.environ, sys.argv[1:]))
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
