#!/usr/bin/env python3
"""flaskops-install [--imported=NAMES] ARGUMENTS: runs pip install into /opt/app, and installs
setuptools for old packages that need it.

Python has no distutils since 3.12, and setuptools no pkg_resources since 82. Older packages import
them when they are built, or when they run. NAMES are those that the application imports.
"""

import ast
import collections
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

PIP = ["/opt/pip/bin/pip", "--python", "/opt/app/bin/python3", "install", "--no-cache-dir"]
LOCK = "/run/setuptools.txt"
OLDER = "setuptools<81"
LIMIT = 1 << 20  # bytes of a module that is read
# The error of a build that needs an older setuptools.
TOO_NEW = re.compile(
    r"No module named '(pkg_resources|distutils)|cannot import name '\w+' from"
    r" '(pkg_resources|setuptools)"
)
SKIPPED = {
    "setuptools",
    "pkg_resources",
    "_distutils_hack",
    "pip",
    "wheel",
    "distutils",
    "tests",
    "test",
    "testing",
}


def run(words, env=None):
    """The exit code and the last lines of the output, which is shown as it comes."""
    kept = collections.deque(maxlen=2000)
    with subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=env,
    ) as process:
        for line in process.stdout:
            sys.stdout.write(line)
            sys.stdout.flush()
            kept.append(line)
    return process.returncode, "".join(kept)


def imported(file):
    """Whether a module needs pkg_resources or distutils: it imports them at its top level, and not
    in a try.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(LIMIT + 1)
        if len(content) > LIMIT or not (b"pkg_resources" in content or b"distutils" in content):
            return set()
        body = ast.parse(content).body
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    names = [alias.name for node in body if isinstance(node, ast.Import) for alias in node.names]
    names += [
        node.module or "" for node in body if isinstance(node, ast.ImportFrom) and not node.level
    ]
    return {name.partition(".")[0] for name in names} & {"pkg_resources", "distutils"}


def needed_by(site, has_distutils, own=()):
    """The first package that imports a missing one of them, and its name; else None.

    Args:
        own: those that the application imports.
    """
    there = {"pkg_resources"} if (site / "pkg_resources").is_dir() else set()
    there |= {"distutils"} if has_distutils or (site / "setuptools").is_dir() else set()
    if set(own) - there:
        return "the application", min(set(own) - there)
    for file in sorted(site.rglob("*.py")):
        parts = file.relative_to(site).parts
        wanted = set() if SKIPPED & set(parts) or parts[-1] == "setup.py" else imported(file)
        if wanted - there:
            return parts[0].removesuffix(".py"), min(wanted - there)
    return None


def main(arguments):
    own = []
    if arguments[0].startswith("--imported="):
        own = arguments.pop(0).partition("=")[2].split(",")
    code, said = run([*PIP, *arguments])
    if code and TOO_NEW.search(said):
        print(f"flaskops: pip runs again with {OLDER}, for the build of a package", flush=True)
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraint:
            constraint.write(f"{OLDER}\n")
            constraint.flush()
            code, _said = run(
                [*PIP, *arguments], {**os.environ, "PIP_BUILD_CONSTRAINT": constraint.name}
            )
    if code:
        return code
    words = "import site, sys; print(site.getsitepackages()[0]); print(sys.version_info < (3, 12))"
    site, has_distutils = subprocess.run(
        [PIP[2], "-c", words], capture_output=True, text=True, check=True
    ).stdout.split()
    found = needed_by(Path(site), has_distutils == "True", own)
    if not found:
        return 0
    print(f"flaskops: an older setuptools is installed: {found[0]} imports {found[1]}", flush=True)
    return run([*PIP, "--no-deps", "--require-hashes", "-r", LOCK])[0]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
