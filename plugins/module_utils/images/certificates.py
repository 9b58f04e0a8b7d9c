# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server whose certificate a build does not trust, by what pip, APT, npm, curl, Git and the like
say of it, and what to write.
"""

from __future__ import annotations

import re

from ..host.reason import without_step

_UNTRUSTED = re.compile(
    r"CERTIFICATE_VERIFY_FAILED|certificate verif(?:y|ication) failed|problem confirming the ssl"
    r" certificate|SSL certificate problem|"
    r"self[- ]signed certificate|SELF_SIGNED_CERT|unable to (?:get local issuer|verify the first)"
    r" certificate|UnknownIssuer|"
    r"UNABLE_TO_(?:GET_ISSUER_CERT|VERIFY_LEAF_SIGNATURE)|cannot verify \S{1,200}"
    r" certificate|certificate signed by unknown authority",
    re.IGNORECASE,
)
# Errors that no certificate authority can fix.
_OTHERWISE = re.compile(
    r"has expired|not yet valid|hostname mismatch|doesn't match|does not match", re.IGNORECASE
)
_FILE = "flask_apps_build_ca_bundle"


def of_build(log: str, trusts: bool) -> str:
    """What to write so that a build trusts the server; "" when that is not why it failed. trusts:
    whether it has a bundle.
    """
    if not (line := _line(log)):
        return ""
    untrusted = (
        "The package index has a certificate that the build does not trust, as behind a proxy that"
        " opens HTTPS."
    )
    write = (
        f"Its authority is not in the file of {_FILE}: add it to that file on the host."
        if trusts
        else (
            f"Write {_FILE}: /etc/ssl/certs/ca-certificates.crt, a file on the host that has its"
            " authority."
        )
    )
    return f"{line}\n{untrusted} {write}"


def of_host(log: str) -> str:
    """The same for requests of the host itself."""
    return (
        "This host does not trust the certificate of an APT source: put its authority into"
        " /usr/local/share/ca-certificates on the host, as a file .crt, and run"
        " update-ca-certificates."
        if _line(log)
        else ""
    )


def _line(log: str) -> str:
    """The last line that says it, as the end is what failed; commands that BuildKit shows are not
    what they said.
    """
    found = [
        line for line in log.splitlines() if _UNTRUSTED.search(line) and " RUN " not in line[:40]
    ]
    return without_step(found[-1])[:300] if found and not _OTHERWISE.search(found[-1]) else ""
