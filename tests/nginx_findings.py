# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What gixy finds in a configuration of Nginx: in what the tests of the templates render, and in
what `nginx -T` shows on the hosts of the scenarios.
"""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from gixy.core.config import Config
from gixy.core.manager import Manager
from gixy.directives.directive import Directive

OUTSIDE = (None, "http", "include")


# gixy's parser of expressions does not know possessive quantifiers. They only forbid to try again,
# so an expression matches no more with them than without.
POSSESSIVE = re.compile(r"(?<!\\)([*+?}])\+")
# gixy takes "443" and "ssl" anywhere in the path of a socket for a port and for TLS, and also the
# "443" within another port, such as 34430.
SOCKET = re.compile(r"(listen\s+unix:)[^\s;]+")
OTHER_PORT = re.compile(r"(listen\s+(?:\S+:)?)(?!443\b)\d*443\d*\b")


class Accepted(NamedTuple):
    check: str
    finding: str  # a pattern for the whole finding
    reason: str


ACCEPTED = [
    Accepted(
        "hsts_header",
        r"server { server_name .*",
        "Some sites must not send it; tests/templates/test_nginx_tls.py checks which do.",
    ),
    Accepted(
        "http2_misdirected_request",
        r"server { server_name _",
        "A name that no site has gets no answer at all (444), which says less than 421.",
    ),
    Accepted(
        "if_is_evil",
        r"if \(\$flaskops_wants_page\): error_page [^;]+(; if [^;]+)?",
        "It only chooses the page of an error, and inherits the rest of a location without"
        " try_files; tests/templates/test_proxy.py sends requests to it.",
    ),
    Accepted(
        "proxy_pass_normalized",
        r"location [^:]+: proxy_pass http://unix:\S+\$flaskops_rest",
        "The rest is that of $request_uri, which Nginx has not decoded.",
    ),
    Accepted(
        "return_bypasses_allow_deny",
        r"location [^:]+: (allow|deny) [^;]+(; return 4\d\d)+",
        "It comes before allow and deny, but only refuses.",
    ),
    Accepted(
        "try_files_is_evil_too",
        r"location [^:]+: try_files (\$uri|/\S+) (=404|@flaskops_\S+)",
        "A cache of open files would serve those of the previous release after a switch, and not"
        " find a new token for a certificate authority.",
    ),
]


def findings(
    configuration: Path, accepted: list[Accepted] = ACCEPTED, files: list[str] | None = None
) -> list[str]:
    """All findings that are not accepted, one line each.

    Args:
        configuration: a file, or the output of `nginx -T`.
        accepted: those that are left out.
        files: only findings with a directive in one of these are reported.
    """
    manager = Manager(Config(load_default_vars=True))
    # Beside it, because what it includes may be relative.
    with NamedTemporaryFile("w", dir=configuration.parent) as simple:
        text = POSSESSIVE.sub(r"\1", configuration.read_text())
        text = SOCKET.sub(r"\1/socket", text)
        simple.write(OTHER_PORT.sub(r"\g<1>80", text))
        simple.flush()
        manager.audit(simple.name, None)
    found = set()
    for check in manager.results:
        for issue in check.issues:
            text = _text(issue.directives)
            if files is not None and not any(each.file in files for each in issue.directives):
                continue
            if not any(
                each.check == check.name and re.fullmatch(each.finding, text) for each in accepted
            ):
                found.add(f"{check.name}: {text}")
    return sorted(found)


def _text(directives: list) -> str:
    """The innermost block around the first directive, and the directives."""
    around = next((each for each in directives[0].parents if each.name not in OUTSIDE), None)
    words = [] if around is None else [_line(around)]
    inside = [_line(each) for each in directives if each is not around]
    return ": ".join([*words, "; ".join(inside)])


def _line(directive: Directive) -> str:
    return " ".join(str(directive).split()).rstrip("{; ")
