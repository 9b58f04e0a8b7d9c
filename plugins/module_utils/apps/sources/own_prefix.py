# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds an application's own setting for its path, such as URL_PREFIX. No code of the source is
run.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ...releases.app import App, ConfigFile
from . import own_code

# Settings of the whole application; API_URL_PREFIX and the like are for a part of it, and BASE_PATH
# is often a directory.
_NAME = re.compile(
    r"(\w+_)?(URL_PREFIX|URI_PREFIX|PATH_PREFIX|ROUTE_PREFIX|PROXY_PREFIX|APPLICATION_ROOT|APP_BASE_PATH|URL_BASE_PATH|"
    r"BASE_URL_PATH|URL_SUBPATH|URL_SUB_PATH)|\w+_SCRIPT_NAME|(APP_|BASE_|SITE_|WEB_)?PREFIX"
)
_PART = re.compile(
    r"(^|_)(API|USER|AUTH|LOGIN|ADMIN|STATIC|MEDIA|CDN|IMAGES?|UPLOADS?|DOCS|FORUM|BLOG|MESSAGE|ASSETS?|SWAGGER|FILES?|HTTP|WS)_"
)
_OPTION = re.compile(
    r"--(url-?|path-|web-|root-)?prefix|--base-url|--url-base|--script-name|--application-root"
)
# Words of a module that is worth parsing; url_prefix=, which any Blueprint may have, is not about
# the whole application.
_WORDS = re.compile(
    rb"PREFIX|APPLICATION_ROOT|SCRIPT_NAME|BASE_PATH|BASE_URL_PATH|URL_SUB_?PATH|"
    rb"--[\w-]{0,9}(?:prefix|base-url|url-base|script-name|application-root)"
)


class _Setting(NamedTuple):
    """A setting that the source reads: from the environment, the configuration, or an option of the
    command line.
    """

    kind: str
    name: str
    file: str
    line: int


@dataclass(frozen=True)
class _Entry:
    """The keys of an entry that concern the path of its application; directives are those of its
    proxy.
    """

    source: str
    prefix: str
    path_mode: str
    in_runtime: bool = False
    command: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    config_files: tuple[ConfigFile, ...] = ()
    directives: tuple[str, ...] = ()


def setting(app: App) -> str:
    """What to write for the path of a complete entry if its source has a setting for it, as a
    sentence; else "".
    """
    prefix = app.app_path.prefix
    if not app.source or not prefix or app.build.kind == "image":
        return ""
    entry = _Entry(
        app.source,
        prefix,
        app.path_mode,
        app.server.in_runtime,
        app.command,
        {**app.env, **app.private_env, **app.secrets},
        app.config_files,
        app.proxy.directives,
    )
    try:
        return _sentence(entry)
    except OSError:
        return ""  # only a hint is lost


def of_program(source: str, prefix: str, path_mode: str) -> str:
    """The setting or header by which a program of the source learns its path, before an entry names
    the program; else "".
    """
    try:
        return _sentence(_Entry(source, prefix, path_mode)) if prefix else ""
    except OSError:
        return ""


def _sentence(app: _Entry) -> str:
    found: list[_Setting] = []
    takes_all = sets_name = sets_path = reads_header = False
    forced = ""
    for file, content, tree in own_code.modules(app.source, _WORDS):
        found += _settings(file, tree)
        takes_all = takes_all or own_code.takes_all(tree)
        if line := _assigned(tree, "SCRIPT_NAME"):
            sets_name = True
            forced = forced or ("" if b"HTTP_X_" in content else f"{file}, line {line}")
        sets_path = sets_path or bool(_assigned(tree, "PATH_INFO"))
        reads_header = reads_header or b"HTTP_X_SCRIPT_NAME" in content
    kinds = (
        ("environment", "configuration")
        if app.in_runtime
        else ("environment", "option", "configuration")
    )
    best = next(
        (same for kind in kinds if (same := [each for each in found if each.kind == kind])), []
    )
    prefix = app.prefix
    if sets_name and reads_header:
        header = f"proxy_set_header X-Script-Name {prefix}"
        also = "" if app.path_mode == "script_name" else ", and path_mode: script_name"
        write = f"It takes its path from a header: write proxy: {{directives: [{header}]}}{also}."
        return "" if header in app.directives else write
    if not best:
        words = (
            f"Its source sets SCRIPT_NAME itself ({forced}), over the one of its path: have it take"
            f" {prefix}, or leave that out."
        )
        return words if forced else ""
    if len({each.name for each in best}) > 1:
        return ""  # it is unknown which of them is meant
    one = best[0]
    # Code that sets SCRIPT_NAME but not PATH_INFO expects that the path is already stripped.
    mode = "script_name" if sets_name and not sets_path else "domain"
    other_mode = "" if mode == app.path_mode else f"path_mode: {mode}"
    if _is_given(app, one):
        return (
            f"It has {one.name} for its path, which goes with another path_mode: write"
            f" {other_mode}."
            if other_mode
            else ""
        )
    kind = "environment" if one.kind == "configuration" and takes_all else one.kind
    write = {
        "environment": f"env: {{{one.name}: {prefix}}}",
        "option": f"{one.name} {prefix} in command",
        "configuration": f"{one.name} = {prefix!r} in {_settings_file(app)}",
    }[kind]
    return (
        f"It has its own setting for its path ({one.file}, line {one.line}): write"
        f" {write}{f', and {other_mode}' if other_mode else ''}."
    )


def _settings(file: str, tree: ast.AST) -> Iterator[_Setting]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.expr) and _is_whole(name := own_code.variable(node)):
            yield _Setting("environment", name, file, line)
        elif isinstance(node, ast.expr) and _is_whole(name := _of_configuration(node)):
            yield _Setting("configuration", name, file, line)
        elif isinstance(node, ast.Call) and own_code.ends_with(
            node.func, "add_argument", "add_option", "option"
        ):
            words = [
                word.value
                for word in node.args
                if isinstance(word, ast.Constant) and isinstance(word.value, str)
            ]
            yield from (
                _Setting("option", word, file, line) for word in words if _OPTION.fullmatch(word)
            )


def _is_whole(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and not _PART.search(name)


def _of_configuration(node: ast.expr) -> str:
    """The name that an expression reads from a configuration."""
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and own_code.ends_with(node.value, "config")
    ):
        return own_code.text(node.slice)
    if (
        isinstance(node, ast.Call)
        and node.args
        and own_code.ends_with(node.func, "get")
        and isinstance(node.func, ast.Attribute)
    ):
        return own_code.text(node.args[0]) if own_code.ends_with(node.func.value, "config") else ""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        return node.attr if own_code.ends_with(node.value, "config", "settings", "Config") else ""
    return ""


def _assigned(tree: ast.AST, name: str) -> int:
    """The line in which the environment of a request gets this."""
    for node in (each for each in ast.walk(tree) if isinstance(each, ast.Assign)):
        for target in node.targets:
            if (
                isinstance(target, ast.Subscript)
                and own_code.ends_with(target.value, "environ")
                and own_code.text(target.slice) == name
            ):
                return node.lineno
    return 0


def _is_given(app: _Entry, one: _Setting) -> bool:
    """Whether the entry gives the setting its path."""
    prefix = app.prefix
    if one.kind == "option":
        try:
            words = shlex.split(app.command)
        except ValueError:  # only a shell can say
            words = app.command.split()
        return one.name in [word.partition("=")[0] for word in words]
    if any(
        name.endswith(one.name) and str(value).strip("/") == prefix.strip("/")
        for name, value in app.values.items()
    ):
        return True
    line = re.compile(rf"\b{one.name}\b.*{re.escape(prefix)}")
    return any(line.search(entry.content) for entry in app.config_files)


def _settings_file(app: _Entry) -> str:
    paths = [entry.path for entry in app.config_files]
    return (
        f"{paths[0]} (config_files)"
        if len(paths) == 1
        else "the file of settings that it reads (config_files)"
    )
