#!/usr/bin/env python3
"""flaskops-project [VERSION]: builds the project in /app without a network, and installs it below
/opt/project, without what it depends on.

Its code runs from /app; what is installed tells its version, its commands and its entry points.
What the build writes beside the code (a _version.py) stays there. An application that cannot be
built runs without these, and a warning says so.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UV = "/opt/pip/bin/uv"
SETTLED = 1_000_000_000  # seconds of the epoch
BACKEND, PYTHON = "/opt/backend/bin/python3", "/opt/app/bin/python3"
APP, TARGET = Path("/app"), "/opt/project"
# What a backend leaves behind.
LEFT = ("build", "dist", "*.egg-info", "src/*.egg-info")
# What of the words of a backend says why.
ERRORS = (re.compile(r"^[\w.]+(Error|Exception)\b"), re.compile(r"^error:"))
MODULE = re.compile(r"No module named '([\w.]+)'")
PROGRAM = re.compile(
    r"\b(npm|npx|node|yarn|pnpm|git|make|gcc|cc|g\+\+|cargo|rustc|msgfmt|sass|tsc|java|go|cmake|swig)"
    r"(?:\.\w+)?\b['\"]?:? (?:is |was )?(?:command )?(?:missing|not found|not installed|not"
    r" available|required|failed: No such file)|"
    r"No such file or directory: '([\w.+-]+)'"
)
# No .git comes with a source: these tell the backends that would ask it which version this is.
VERSIONS = (
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "PDM_BUILD_SCM_VERSION",
    "PBR_VERSION",
    "HATCH_VCS_PRETEND_VERSION",
    "VERSIONEER_OVERRIDE",
)


def run(*words):
    """Raises CalledProcessError with what it said."""
    subprocess.run(
        [UV, *words],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def lend_packages():
    """Let the hooks of the build import what the application is installed with, after the backend's
    own packages.
    """
    backend, own = (
        next(Path(python).parent.parent.glob("lib/python3*/site-packages"), None)
        for python in (BACKEND, PYTHON)
    )
    if backend and own:
        (backend / "flaskops-app.pth").write_text(f"{own}\n")
    places = (Path(BACKEND).parent, Path(PYTHON).parent, os.environ.get("PATH", os.defpath))
    os.environ["PATH"] = ":".join(map(str, places))


@contextlib.contextmanager
def same_times():
    """One time for all files: what was built before it came here is not older than what it was
    built from. They get theirs again.
    """
    before = {
        path: path.lstat() for path in APP.rglob("*") if path.is_file() and not path.is_symlink()
    }
    for path in before:
        os.utime(path, (SETTLED, SETTLED))
    try:
        yield
    finally:
        for path, state in before.items():
            with contextlib.suppress(OSError):
                if path.stat().st_mtime == SETTLED:
                    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def advice(said):
    """What to write, by what a build says."""
    program = next(
        (name for name in (match[1] or match[2] for match in PROGRAM.finditer(said)) if name), ""
    )
    if module := next((match[1] for match in MODULE.finditer(said)), ""):
        # The path of the backend is in the words of uv, the module of a backend in [build-system].
        return (
            f"its build needs the Python module {module}: add its package to requires of"
            " [build-system], or to its requirements"
        )
    if program:
        return (
            f"its build needs the program {program}: write build_command with what it does, and"
            f" apt_packages with the package of {program}, or put the files that it builds into the"
            " source"
        )
    return "where it needs its commands or its version, the build has to work"


def main(version="0.0.0"):
    os.environ.update(
        {**dict.fromkeys(VERSIONS, version), "POETRY_DYNAMIC_VERSIONING_BYPASS": version}
    )
    os.environ.update(
        {
            "UV_NO_CACHE": "1",
            "UV_OFFLINE": "1",
            "UV_PYTHON_DOWNLOADS": "never",
            "UV_NO_CONFIG": "1",
            "NO_COLOR": "1",
        }
    )
    Path(TARGET).mkdir(exist_ok=True)
    lend_packages()
    before = {path for pattern in LEFT for path in APP.glob(pattern)}
    with tempfile.TemporaryDirectory() as place:
        try:
            with same_times():
                run(
                    "build",
                    "--wheel",
                    "--no-build-isolation",
                    "--python",
                    BACKEND,
                    "--out-dir",
                    place,
                    str(APP),
                )
            (wheel,) = Path(place).glob("*.whl")
            run("pip", "install", "--no-deps", "--python", PYTHON, "--target", TARGET, str(wheel))
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            said = getattr(error, "output", "") or str(error)
            lines = [line.strip() for line in said.splitlines() if line.strip()]
            why = next(
                (line for pattern in ERRORS for line in reversed(lines) if pattern.search(line)),
                lines[-1] if lines else "",
            )
            path = " (src/ is on the path)" if (APP / "src").is_dir() else ""
            print(
                "flaskops warning: the project could not be built, so it runs from its"
                f" source{path} and has no metadata of its own; {advice(said)}. The build said:"
                f" {why[:300]}"
            )
    for path in {path for pattern in LEFT for path in APP.glob(pattern)} - before:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
