# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The type of an application server. Its settings file is rendered by the template of that name,
its start is in the entrypoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...inputs.options import Option

if TYPE_CHECKING:
    from ..app import App


@dataclass(frozen=True)
class Engine:
    """One application server.

    name: what an entry writes as engine. settings: the file of the release that it reads. options:
    the keys of an entry that are its own. in_runtime: whether our runtime image has it, and our
    entrypoint starts it; else the image has its own server, which our relay starts. environment:
    the variables of an entry that its start in the container needs. problems: what does not fit
    together in a complete, well-formed entry, as sentences. processes: the key for the number of
    processes. own_settings: files of an application that are settings for this server alone.
    load_late: what to write so that each process loads the application for itself. noise: the
    beginnings of log lines that would hide those of the application, as the alternatives of a
    pattern.
    """

    name: str
    settings: str
    options: Mapping[str, Option]
    in_runtime: bool
    environment: Callable[[App], dict[str, str]]
    problems: Callable[[App], list[str]] = lambda app: []
    processes: str = ""
    own_settings: tuple[str, ...] = ()
    load_late: str = ""
    noise: str = ""


def environment_in_runtime(app: App, processes: str) -> dict[str, str]:
    """The variables that our entrypoint needs, whichever server it starts."""
    return {
        "FLASKOPS_MODULE": app.module or "",
        "FLASKOPS_CALLABLE": app.callable or "",
        "FLASKOPS_DIRECTORY": app.build.directory,
        "FLASKOPS_PATH": app.build.path,
        "FLASKOPS_PROCESSES": processes,
    }
