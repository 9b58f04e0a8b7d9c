# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packages and Pythons that are newer than what asks them for something, or older: what to write in
the requirements or as python.
"""

from __future__ import annotations

import re

# The name that is asked for, of which module, and the last versions that have it; by the changelogs
# of the packages.
_NAMES: tuple[tuple[str, str, str], ...] = (
    (r"url_\w+|\w+URL", r"werkzeug\.urls", "Werkzeug<3"),
    (r"parse_(authorization|www_authenticate)_header", r"werkzeug\.\w+", "Werkzeug<3"),
    (r"parse_rule", r"werkzeug\.routing", "Werkzeug<2.2"),
    (r"__version__", r"werkzeug", "Werkzeug<3"),
    (
        r"safe_str_cmp|safe_join|pbkdf2_\w+|BaseRe(quest|sponse)|\w+Mixin",
        r"werkzeug\.\w+",
        "Werkzeug<2.1",
    ),
    (r"\w+", r"werkzeug", "Werkzeug<1"),
    (
        r"escape|Markup|\w*(context)?(function|filter)|with_\w*|WithExtension|AutoEscapeExtension",
        r"jinja2(\.\w+)?",
        "Jinja2<3.1",
    ),
    (r"soft_unicode", r"markupsafe", "MarkupSafe<2.1"),
    (r"json|\w*JSONWebSignatureSerializer", r"itsdangerous", "itsdangerous<2.1"),
    (
        r"_(app|request)_ctx_stack|before(_app)?_first_request|json_encoder",
        r"flask|Flask|Blueprint",
        "Flask<2.3",
    ),
    (r"safe_join", r"flask(\.helpers)?", "Flask<2.1"),
    (r"JSON(En|De)coder", r"flask\.json", "Flask<2.3"),
    (r"Markup|escape", r"flask", "Flask<3"),
    (r"TextField|Required|html5", r"(flask_)?wtforms?(\.\w+)*", "WTForms<3"),
    (r"__all__", r"sqlalchemy", "SQLAlchemy<2"),
    (r"execute|table_names|has_table", r"Engine", "SQLAlchemy<2"),
)
# Modules that Python itself had: those that 3.12 and 3.13 took out, with the last version that has
# them.
_GONE = {
    **dict.fromkeys(("asynchat", "asyncore", "imp", "smtpd"), "3.11"),
    **dict.fromkeys(
        (
            "aifc",
            "audioop",
            "cgi",
            "cgitb",
            "chunk",
            "crypt",
            "imghdr",
            "lib2to3",
            "mailcap",
            "msilib",
            "nis",
        ),
        "3.12",
    ),
    **dict.fromkeys(
        ("nntplib", "ossaudiodev", "pipes", "sndhdr", "spwd", "sunau", "telnetlib", "uu", "xdrlib"),
        "3.12",
    ),
}
# Names that modules of Python had until a version, and how Python says that they are gone.
_GONE_NAMES = {
    "3.9": (
        r"collections has"
        r" (?:Callable|Container|Hashable|(?:Async)?Itera(?:ble|tor)"
        r"|(?:Mutable)?(?:Mapping|Sequence|Set)|Sized)"
    ),
    "3.10": r"inspect has (?:getargspec|formatargspec)|asyncio has coroutine",
}
# Modules that setuptools provided for Python, and the last versions that do.
OF_SETUPTOOLS, SETUPTOOLS = ("pkg_resources", "distutils"), "setuptools<81"
# Modules that a package has no more, and the last versions that have them.
_MODULES = {
    **{"flask._compat": "Flask<2", "werkzeug.contrib": "Werkzeug<1"},
    **{
        "wtforms.ext": "WTForms<3",
        "wtforms.fields.html5": "WTForms<3",
        "wtforms.widgets.html5": "WTForms<3",
    },
}
_ASKED = re.compile(
    r"^ImportError: cannot import name '(?P<name>\w{1,80})' from (?:partially initialized module"
    r" )?'(?P<module>[\w.]{1,120})'|"
    r"^AttributeError: (?:module '(?P<of>[\w.]{1,120})'|'(?P<kind>\w{1,80})' object) has no"
    r" attribute '(?P<attribute>\w{1,80})'",
    re.MULTILINE,
)
# A check of Python 3.13's typing that SQLAlchemy passes from 2.0.31 on.
_TYPING = re.compile(
    r"^AssertionError: Class <class 'sqlalchemy\.[\w.]{1,120}'> directly inherits TypingOnly",
    re.MULTILINE,
)
_VALIDATOR = "Install 'email_validator' for email validation support"
_FAILED = re.compile(
    r"(?:Failed building wheel for|Failed to build)"
    r" '?(?P<name>(?!installable)[A-Za-z0-9][\w.-]{0,80})"
)
# Messages of C code for another Python, and of packages for another setuptools.
_OTHER_PYTHON = re.compile(
    r"error:"
    r" .{0,200}\b(_?Py[A-Z]\w+|_Py\w+|tstate|ob_digit|tp_print|f_code|c_recursion_remaining)\b|"
    r"error: (too few|too many) arguments to function .{0,10}_?Py|has no member named"
    r" .{0,10}(tp_|ob_|exc_|use_tracing|recursion)|"
    r"cannot import name 'Feature' from 'setuptools'|use_2to3 is invalid|module 'configparser' has"
    r" no attribute 'SafeConfigParser'|"
    r"module 'pkgutil' has no attribute 'ImpImporter'|No module named"
    r" '(imp|distutils[\w.]*)'|cython_sources|longintrepr\.h"
)


def of_start(logs: str) -> list[str]:
    """What to write for names that an installed package, or Python, has no more; one sentence for
    each version.
    """
    asked = [
        (match["name"] or match["attribute"], match["module"] or match["of"] or match["kind"])
        for match in _ASKED.finditer(logs)
    ]
    newer: dict[str, str] = {}
    for name, module in asked:
        if version := next(
            (
                last
                for names, of, last in _NAMES
                if re.fullmatch(of, module) and re.fullmatch(names, name)
            ),
            "",
        ):
            newer.setdefault(version, name)
    words = [_newer(version, name) for version, name in list(newer.items())[:3]]
    words += [
        _gone(f"{name} in the module {module}", last)
        for name, module in dict.fromkeys(asked)
        for last, names in _GONE_NAMES.items()
        if re.fullmatch(names, f"{module} has {name}")
    ][:1]
    if _TYPING.search(logs):
        words.append(
            "The installed SQLAlchemy is older than this Python: write SQLAlchemy>=2.0.31 in the"
            ' requirements, or python: "3.12".'
        )
    if _VALIDATOR in logs:
        words.append(
            "A field for e-mail addresses needs a separate package: add email-validator to the"
            " requirements."
        )
    if found := re.search(rf"No module named '({'|'.join(OF_SETUPTOOLS)})", logs):
        has = "has gone from Python and from newer versions of setuptools"
        words.append(
            f"{found[1]} {has}: add {SETUPTOOLS} to its requirements (or install_requires)."
        )
    return words


def of_module(name: str) -> str:
    """What to write for a module that an installed package, or Python, has no more; "" for any
    other.
    """
    if version := _MODULES.get(name, ""):
        return _newer(version, name)
    return _gone(f"the module {name}", _GONE[name]) if name in _GONE else ""


def of_build(log: str) -> str:
    """What to write if a package does not build with this Python; "" for another failure."""
    if not (failed := _FAILED.search(log)) or not (line := _OTHER_PYTHON.search(log)):
        return ""
    return (
        f"{line[0][:200]}\n{failed['name']} is older than this Python and does not build with it:"
        " take a newer version of it in the requirements, or write the Python that it was made"
        ' for, such as python: "3.9".'
    )


def _newer(version: str, name: str) -> str:
    return (
        f"The installed {version.partition('<')[0]} is newer than what asks it for {name}: add"
        f" {version} to the requirements, or take a newer version of the package that asks."
    )


def _gone(what: str, last: str) -> str:
    return (
        f"Python {last} was the last that had {what}, which the application or one of its"
        " requirements asks for: take a newer version "
        f'of that, or write python: "{last}".'
    )
