# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application servers by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...host.container import variables_of
from ...inputs.options import Option
from . import command, gunicorn, uwsgi
from .engine import Engine

ENGINES = {engine.name: engine for engine in (uwsgi.ENGINE, gunicorn.ENGINE, command.ENGINE)}
# For an entry without the key: on our runtime image, and on an image with another server.
DEFAULT, OF_IMAGE = uwsgi.ENGINE, command.ENGINE


def engine_named(name: Any) -> Engine:
    """The engine of an entry or a release.json; the default where there is no name, or one that was
    refused.
    """
    return ENGINES.get(name, DEFAULT) if isinstance(name, str) else DEFAULT


def engine_in(container: Mapping[str, Any]) -> Engine | None:
    """The engine of a container, by the output of C(docker inspect)."""
    return ENGINES.get(variables_of(container).get("FLASKOPS_ENGINE", ""))


def options_of(in_runtime: bool) -> dict[str, Option]:
    """The keys of an entry that belong to one of them."""
    return {
        key: option
        for engine in ENGINES.values()
        if engine.in_runtime == in_runtime
        for key, option in engine.options.items()
    }
