#!/usr/bin/env python3
"""gently COMMAND: runs a compilation on half of the processors, at the lowest priority.

BuildKit has no limits, and applications run beside a build. A program that counts the processors
starts as many children; they share the same half.
"""

import contextlib
import os
import sys

# The number of children of make, cmake, cargo, uWSGI, NumPy, PyTorch and Go.
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
with contextlib.suppress(OSError):  # a foreign builder may forbid it
    os.sched_setaffinity(0, half)
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
for name in COUNTS:
    os.environ.setdefault(name, str(len(half)))
os.environ.setdefault("MAKEFLAGS", f"-j{len(half)}")
os.execvp(sys.argv[1], sys.argv[1:])
