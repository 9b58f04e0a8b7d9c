#!/usr/bin/env python3
"""gently COMMAND: runs what compiles on half of the processors, and only when nobody else wants
them.

BuildKit knows no limits, and beside a build applications are alive. Where a program counts the
processors itself, it starts as many children as there are; they share the same half.
"""

import contextlib
import os
import sys

# How many children make, cmake, cargo, uWSGI, NumPy, PyTorch and Go start.
COUNTS = (
    "CMAKE_BUILD_PARALLEL_LEVEL",
    "CARGO_BUILD_JOBS",
    "CPUCOUNT",
    "NPY_NUM_BUILD_JOBS",
    "MAX_JOBS",
    "GOMAXPROCS",
)

usable = sorted(os.sched_getaffinity(0))
half = usable[len(usable) // 2 :][: max(1, len(usable) // 2)]
with contextlib.suppress(OSError):  # a builder of somebody else's may forbid it
    os.sched_setaffinity(0, half)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
for name in COUNTS:
    os.environ.setdefault(name, str(len(half)))
os.environ.setdefault("MAKEFLAGS", f"-j{len(half)}")
os.execvp(sys.argv[1], sys.argv[1:])
