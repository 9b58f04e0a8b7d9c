# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server that is in the user's own image, or a command line: our relay starts it, see
files/relay.py of the role.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...inputs.options import Option
from ..command import one_line, shell_line
from .engine import Engine

if TYPE_CHECKING:
    from ..app import App

OPTIONS = {
    "command": Option(
        default="",
        check=one_line,
        secret=True,
        about="""
            With O(engine=command), the command line of the server; empty for the image's own. It is
            run by a shell, which the program replaces.

            It may listen on the unix socket C($FLASKOPS_SOCKET), as V(gunicorn --bind
            unix:$FLASKOPS_SOCKET main:app), or on O(port).
        """,
    ),
    "port": Option(
        kind="int",
        default=0,
        minimum=0,
        maximum=65535,
        allowed="the TCP port of the server in the image, 0 for none",
        about="""
            With O(engine=command), the TCP port in the container that the server listens on. A
            relay of this collection, for which the image needs a C(python3), connects it to the
            socket; no port is published. 0 when it listens on C($FLASKOPS_SOCKET).
        """,
    ),
}


def _environment(app: App) -> dict[str, str]:
    return {
        "FLASKOPS_COMMAND": shell_line(app.command),
        "FLASKOPS_PORT": str(app.port or ""),
        "SCRIPT_NAME": app.script_name,
    }


ENGINE = Engine(
    name="command", settings="relay.py", options=OPTIONS, in_runtime=False, environment=_environment
)
