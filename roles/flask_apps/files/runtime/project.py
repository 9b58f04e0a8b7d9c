#!/usr/bin/env python3
"""flaskops-project [VERSION]: builds the project in /app without a network, and installs it below
/opt/project, without its dependencies.

Its code runs from /app; the installed project has its version, its commands and its entry points.
Files that the build writes beside the code (a _version.py) stay there. An application that cannot
be built runs without these, with a warning.
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
# Files that a backend leaves behind.
LEFT = ("build", "dist", "*.egg-info", "src/*.egg-info")
# The lines of a backend's output with the reason.
ERRORS = (re.compile(r"^[\w.]+(Error|Exception)\b"), re.compile(r"^error:"))
MODULE = re.compile(r"No module named '([\w.]+)'")
PROGRAM = re.compile(
    r"\b(npm|npx|node|yarn|pnpm|git|make|gcc|cc|g\+\+|cargo|rustc|msgfmt|sass|tsc|java|go|cmake|swig)"
    r"(?:\.\w+)?\b['\"]?:? (?:is |was )?(?:command )?(?:missing|not found|not installed|not"
    r" available|required|failed: No such file)|"
    r"No such file or directory: '([\w.+-]+)'"
)
# A source has no .git: backends that ask it for the version read one of these.
VERSIONS = (
    "SETUPTOOLS_SCM_PRETEND_VERSION",
    "PDM_BUILD_SCM_VERSION",
    "PBR_VERSION",
    "HATCH_VCS_PRETEND_VERSION",
    "VERSIONEER_OVERRIDE",
)


def run(*words):
    """Run uv; a failure raises CalledProcessError with the output."""
    subprocess.run(
        [UV, *words],
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def lend_packages():
    """Let the hooks of the build import the application's packages, after those of the backend."""
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
    """Give all files one time, so that a file that was built before is not older than its sources;
    then restore theirs.
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
    """What to write, from the output of a build."""
    program = next(
        (name for name in (match[1] or match[2] for match in PROGRAM.finditer(said)) if name), ""
    )
    if module := next((match[1] for match in MODULE.finditer(said)), ""):
        # The output of uv has the path of the backend, [build-system] the module of a backend.
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
    return "if it needs its commands or its version, the build must work"


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
                f" source{path} and has no metadata; {advice(said)}. The build said: {why[:300]}"
            )
    for path in {path for pattern in LEFT for path in APP.glob(pattern)} - before:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
