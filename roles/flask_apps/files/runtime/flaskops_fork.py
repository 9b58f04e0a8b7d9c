"""What an application has begun while it was loaded, and what a fork makes of it; each finding is a
line of the log.

Threads do not come along into the processes that are forked afterwards, and connections are shared
by all of them. The health check reads the lines and says what to write instead.
"""

import _socket  # not gevent's: that would change the mode of what it looks at
import os
import signal
import sys
import threading
import time
from types import FunctionType, MethodType, ModuleType

# Libraries whose own threads run jobs, and those whose jobs run in a loop of the application's own.
SCHEDULERS = ("apscheduler", "huey", "rocketry", "rq_scheduler", "timeloop")
LOOPS = ("sched", "schedule")
# They start their threads again in a process that was forked.
FORK_AWARE = ("ddtrace", "opentelemetry", "sentry_sdk")
# Held back while a process is forked: one that came before the handlers are gone would be lost.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT)
_held = threading.local()
SETTLES = 10
STREAMS = (_socket.SOCK_STREAM, _socket.SOCK_SEQPACKET)


def watch():
    """Have each process that the application forks leave the handlers of Gunicorn's worker, and
    miss no signal meanwhile.
    """
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_leave_handlers)


def _hold():
    _held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def _let_go():
    signal.pthread_sigmask(signal.SIG_SETMASK, _held.mask)


def _leave_handlers():
    """SIGTERM tells a worker to finish. In a child it would do nothing, so that multiprocessing
    waits for ever for one that it ended.
    """
    for number in signal.valid_signals():
        handler = signal.getsignal(number)
        if (
            isinstance(handler, MethodType)
            and _top(type(handler.__self__).__module__) == "gunicorn"
        ):
            signal.signal(
                number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            )
    _let_go()


def sockets():
    """The sockets of this process: the descriptor of each, by what the kernel calls it."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the directory's own
        if target.startswith("socket:"):
            found[target] = int(name)
    return found


def connections(before):
    """To whom there is a connection that was not there before. A datagram is whole by itself, and a
    pair of sockets has no name.
    """
    for target, descriptor in sorted(sockets().items()):
        if target in before:
            continue
        try:
            one = _socket.socket(fileno=os.dup(descriptor))
        except OSError:
            continue
        try:
            peer = one.getpeername() if one.type in STREAMS else ""
        except OSError:
            peer = ""  # it listens
        finally:
            one.close()
        if peer:
            yield ":".join(map(str, peer[:2])) if isinstance(peer, tuple) else os.fsdecode(peer)


def settle(seconds=SETTLES):
    """Wait until no thread is within an import: a module that is half there when a process is
    forked stays so in the new one.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(_imports(frame) for frame in _others()):
        time.sleep(0.01)


def _others():
    """Where the threads beside this one stand."""
    own = threading.get_ident()
    return [frame for ident, frame in sys._current_frames().items() if ident != own]


def _imports(frame):
    return any(part.f_code.co_filename.startswith("<frozen importlib") for part in _stack(frame))


def threads():
    """The names of the threads that run beside the one that loads: schedulers, and others."""
    frames = sys._current_frames()
    schedulers, others = [], []
    for thread in threading.enumerate():
        if thread in (threading.main_thread(), threading.current_thread()):
            continue
        stack = list(_stack(frames.get(thread.ident)))
        modules = {_top(frame.f_globals.get("__name__")) for frame in stack}
        if modules & {*SCHEDULERS} or _used(stack) & {*LOOPS}:
            schedulers.append(thread.name)
        elif not modules & {*FORK_AWARE}:
            others.append(thread.name)
    return schedulers, others


def _stack(frame):
    while frame:
        if frame.f_globals.get("__name__") != "threading":
            yield frame
        frame = frame.f_back


def _top(name):
    return str(name).partition(".")[0]


def _used(stack):
    """The modules that code refers to, themselves or something of them."""
    return {
        _top(_module(value))
        for frame in stack
        for value in (*frame.f_globals.values(), *frame.f_locals.values())
    }


def _module(value):
    """By its type alone: a proxy that is asked makes what it stands for, or says that it cannot."""
    kind = type(value)
    if kind is ModuleType:
        return value.__name__
    return getattr(
        value if issubclass(kind, (type, FunctionType, MethodType)) else kind, "__module__", ""
    )


def findings(before, forks, processes):
    """The lines.

    Args:
        before: the sockets before the application was loaded.
        forks: whether it was loaded before the processes that answer requests are forked.
        processes: how many they are.
    """
    schedulers, others = threads()
    if forks:
        for name in schedulers:
            yield f"scheduler {name!r} runs in the first process"
        for name in others:
            yield f"thread {name!r} runs in the first process only"
        for peer in dict.fromkeys(connections(before)):
            yield f"connection to {peer!r} is shared by all processes"
    elif processes > 1:
        for name in schedulers:
            yield f"scheduler {name!r} runs in each of {processes} processes"
