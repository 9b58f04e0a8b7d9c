"""Finds threads and connections that an application has started while it was loaded; each finding
is a line of the log.

Processes that are forked afterwards do not have the threads, and share the connections. The health
check reads the lines and advises what to write instead.
"""

import _socket  # not gevent's, which would change the mode of the sockets
import os
import signal
import sys
import threading
import time
from types import FunctionType, MethodType, ModuleType

# Libraries whose threads run jobs, and those whose jobs run in a loop of the application.
SCHEDULERS = ("apscheduler", "huey", "rocketry", "rq_scheduler", "timeloop")
LOOPS = ("sched", "schedule")
# They start their threads again in a forked process.
FORK_AWARE = ("ddtrace", "opentelemetry", "sentry_sdk")
# Blocked during a fork: a signal that came before the handlers are removed would be lost.
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT)
_held = threading.local()
SETTLES = 10
STREAMS = (_socket.SOCK_STREAM, _socket.SOCK_SEQPACKET)


def watch():
    """Make each process that the application forks remove the handlers of Gunicorn's worker, and
    lose no signal meanwhile.
    """
    os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_leave_handlers)


def _hold():
    _held.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def _let_go():
    signal.pthread_sigmask(signal.SIG_SETMASK, _held.mask)


def _leave_handlers():
    """SIGTERM makes a worker finish. In a child it would do nothing, and multiprocessing would wait
    without end for a child that it has terminated.
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
    """The sockets of this process: the descriptor of each, by its name in the kernel."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the descriptor of the directory
        if target.startswith("socket:"):
            found[target] = int(name)
    return found


def connections(before):
    """The peers of new connections. A datagram is complete, and a pair of sockets has no name."""
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
    """Wait until no thread imports: a module that is loaded in part at a fork stays so in the new
    process.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end and any(_imports(frame) for frame in _others()):
        time.sleep(0.01)


def _others():
    """The frames of the other threads."""
    own = threading.get_ident()
    return [frame for ident, frame in sys._current_frames().items() if ident != own]


def _imports(frame):
    return any(part.f_code.co_filename.startswith("<frozen importlib") for part in _stack(frame))


def threads():
    """The names of the other threads: schedulers, and the rest."""
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
    """The modules that code refers to, directly or by one of their names."""
    return {
        _top(_module(value))
        for frame in stack
        for value in (*frame.f_globals.values(), *frame.f_locals.values())
    }


def _module(value):
    """By its type alone: any access to a proxy would create its object, or raise an error."""
    kind = type(value)
    if kind is ModuleType:
        return value.__name__
    return getattr(
        value if issubclass(kind, (type, FunctionType, MethodType)) else kind, "__module__", ""
    )


def findings(before, forks, processes):
    """The lines for the log.

    Args:
        before: the sockets before the application was loaded.
        forks: whether it was loaded before the processes that answer requests are forked.
        processes: their number.
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
