#!/usr/bin/env python3
"""flaskops-project [VERSION]: builds the project in /app without a network, and installs it below /opt/project, without what it depends on.

Its code runs from /app; what is installed tells its version, its commands and its entry points. What the build writes beside the code
(a _version.py) stays there. An application that cannot be built runs without these, and a warning says so.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

UV = "/opt/pip/bin/uv"
BACKEND, PYTHON = "/opt/backend/bin/python3", "/opt/app/bin/python3"
APP, TARGET = Path("/app"), "/opt/project"
# What a backend leaves behind.
LEFT = ("build", "dist", "*.egg-info", "src/*.egg-info")
# What of the words of a backend says why.
ERRORS = (re.compile(r"^[\w.]+(Error|Exception)\b"), re.compile(r"^error:"))
# No .git comes with a source: these tell the backends that would ask it which version this is.
VERSIONS = ("SETUPTOOLS_SCM_PRETEND_VERSION", "PDM_BUILD_SCM_VERSION", "PBR_VERSION", "HATCH_VCS_PRETEND_VERSION", "VERSIONEER_OVERRIDE")


def run(*words):
    """Raises CalledProcessError with what it said."""
    subprocess.run([UV, *words], check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


def main(version="0.0.0"):
    os.environ.update({**dict.fromkeys(VERSIONS, version), "POETRY_DYNAMIC_VERSIONING_BYPASS": version})
    os.environ.update({"UV_NO_CACHE": "1", "UV_OFFLINE": "1", "UV_PYTHON_DOWNLOADS": "never", "UV_NO_CONFIG": "1", "NO_COLOR": "1"})
    Path(TARGET).mkdir(exist_ok=True)
    before = {path for pattern in LEFT for path in APP.glob(pattern)}
    with tempfile.TemporaryDirectory() as place:
        try:
            run("build", "--wheel", "--no-build-isolation", "--python", BACKEND, "--out-dir", place, str(APP))
            (wheel,) = Path(place).glob("*.whl")
            run("pip", "install", "--no-deps", "--python", PYTHON, "--target", TARGET, str(wheel))
        except (OSError, ValueError, subprocess.CalledProcessError) as error:
            lines = [line.strip() for line in (getattr(error, "output", "") or str(error)).splitlines() if line.strip()]
            why = next((line for pattern in ERRORS for line in reversed(lines) if pattern.search(line)), lines[-1] if lines else "")
            print(
                "flaskops warning: its pyproject.toml could not be built, so it runs from its source (src/ is on the path) and has no "
                f"metadata of its own; take [build-system] out of pyproject.toml where it needs none. The build said: {why[:300]}"
            )
    for path in {path for pattern in LEFT for path in APP.glob(pattern)} - before:
        shutil.rmtree(path, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
