# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which TLS a site speaks: Mozilla's profiles (guideline 6.0), as far as the versions of Nginx and
OpenSSL on a host know them. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROFILES = ("intermediate", "modern")
_PROTOCOLS = {"intermediate": "TLSv1.2 TLSv1.3", "modern": "TLSv1.3"}
# Of TLS 1.2; those of 1.3 are not configured. Without DHE no parameters for it are needed.
_CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
_CURVES = "X25519:prime256v1:secp384r1"
# Safe from quantum computers. OpenSSL refuses the whole list if it does not know a curve, as one
# that was built without it or is restricted, unless "?" is in front.
_HYBRID_CURVE = "?X25519MLKEM768"

Version = tuple[int, ...]


def version(text: str | None) -> Version:
    """A version for comparisons; that of a program that is not installed is the newest."""
    found = re.match(r"\d+(?:\.\d+)*", text or "")
    return tuple(map(int, found[0].split("."))) if found else (999,)


@dataclass(frozen=True)
class Abilities:
    """What Nginx on a host can do. nginx, openssl: their versions."""

    nginx: Version
    openssl: Version

    @property
    def rejects_handshakes(self) -> bool:
        """Whether a server may refuse a handshake without a certificate."""
        return self.nginx >= (1, 19, 4)

    @property
    def http2_directive(self) -> bool:
        """Whether http2 is a directive, and no longer a word of listen."""
        return self.nginx >= (1, 25, 1)

    def directives(self, profile: str) -> tuple[str, ...]:
        """The directives of a server block that speaks TLS, without its certificate."""
        hybrid = f"{_HYBRID_CURVE}:" if self.openssl >= (3, 5) else ""
        lines = [f"ssl_protocols {_PROTOCOLS[profile]}"]
        if profile != "modern":
            lines.append(f"ssl_ciphers {_CIPHERS}")
        lines += [
            "ssl_prefer_server_ciphers off",
            f"ssl_ecdh_curve {hybrid}{_CURVES}",
            "ssl_session_cache shared:flaskops_tls:10m",
            "ssl_session_timeout 1d",
        ]
        # Older ones never rotate the key of the tickets.
        if self.nginx < (1, 23, 2):
            lines.append("ssl_session_tickets off")
        return tuple(lines)
