# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reason of a failure and its log, separately: a run shows the log once, where it failed, and
ends with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_LOG = re.compile(r"[ \n]?The last lines of its (?:log|output):((?:\n  .*)*)")
# The number of a step of BuildKit, and its time.
_STEP = re.compile(r"^(?:#\d+ )?(?:\d+\.\d+ )?")
_ERROR = re.compile(r"(?:\berror|Error|ERROR|fatal)\b(?: \[[^\]]*\])?:|^E: ")
_SAYS = re.compile(
    r"flaskops: |(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|NotFound|Exit)(?::|$)"
)
# BuildKit's summary of a failed step, whose output has the reason.
_FAILED_STEP = re.compile(
    r"process \".*\" did not complete successfully: exit code: \d+$", re.MULTILINE
)
ERRORS = 6  # lines of errors that are shown of a build's log


def with_log(reason: str, lines: Iterable[str]) -> str:
    """The reason and its log as one text."""
    return "\n".join([reason, "The last lines of its log:", *(f"  {line}" for line in lines)])


def apart(text: str) -> tuple[str, str]:
    """Split a text of with_log into the reason and the lines of the log."""
    logs = [line[2:].rstrip() for found in _LOG.findall(text) for line in found.splitlines()[1:]]
    return _LOG.sub("", text), "\n".join(logs)


def failed(text: str) -> dict[str, str]:
    """The results of a failed task."""
    reason, log = apart(text)
    return {"msg": reason, **({"log": log} if log else {})}


def told_by(log: str, reason: str) -> str:
    """The most useful line of a log, as a sentence after the reason; "" where the reason has it.

    It is the last line of the entrypoint, the end of a traceback, or the last line. For a build
    of_build has found the lines already.
    """
    if _FAILED_STEP.search(log):
        return ""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    best = next((line for line in reversed(lines) if _SAYS.match(line)), lines[-1] if lines else "")
    return f"Its log says: {best}" if best and best not in reason else ""


def without_step(line: str) -> str:
    """A line of a build's log without BuildKit's prefix."""
    return _STEP.sub("", line).strip()


def of_build(log: str) -> str:
    """The lines of a build's log with errors, without BuildKit's prefix; else its last line."""
    lines = [without_step(line) for line in log.splitlines()]
    found = list(dict.fromkeys(line for line in lines if _ERROR.search(line)))
    said = [line for line in found if not _FAILED_STEP.search(line)]
    return "\n".join(said[-ERRORS:] or found[-1:] or lines[-1:])
