"""Starts the application server as process 1 of the container, and says what it chose.

The number of processes follows the container's CPU limit, which only the container knows.
"""

import math
import os
import sys
from pathlib import Path

CONFIGURATION = "/etc/flaskops/uwsgi.ini"


def cpu_limit(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """The processors this container may use: its quota (cgroup v2 or v1), else those it may run on."""
    usable = float(len(os.sched_getaffinity(0)))
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text().strip()
        except OSError:
            return usable
    if quota in ("max", "-1"):
        return usable
    return min(usable, int(quota) / int(period))


def main() -> None:
    command = ["/opt/runtime/bin/uwsgi", "--ini", CONFIGURATION]
    if os.environ.get("FLASKOPS_PROCESSES") == "auto":
        limit = cpu_limit()
        # Two at the least: one may be killed or busy. Not more than the default limits of a container are good for.
        processes = min(max(2, math.ceil(limit)), 16)
        command += ["--processes", str(processes)]
        print(f"flaskops: {processes} processes, from a limit of {limit:g} processors", flush=True)
    if len(sys.argv) > 1:  # a command of one's own, in the same environment
        command = sys.argv[1:]
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
