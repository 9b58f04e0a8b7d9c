# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The TLS of a site by the versions of Nginx and OpenSSL."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.nginx.tls import (
    PROFILES,
    Abilities,
    version,
)

CIPHERS = (
    "ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256"
    ":ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"
    ":ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)
CLASSIC, HYBRID = "X25519:prime256v1:secp384r1", "?X25519MLKEM768:X25519:prime256v1:secp384r1"


def of(nginx, openssl, profile="intermediate"):
    return Abilities(version(nginx), version(openssl)).directives(profile)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1.18.0", (1, 18, 0)),
        ("1.26.3", (1, 26, 3)),
        ("3.0.19", (3, 0, 19)),
        ("3.5.0-beta1", (3, 5, 0)),
        ("1.1.1w", (1, 1, 1)),
        ("1.28", (1, 28)),
        (None, (999,)),
        ("", (999,)),
        ("unknown", (999,)),
    ],
)
def test_a_version_is_compared_by_its_numbers(text, numbers):
    assert version(text) == numbers


@pytest.mark.parametrize(
    ("nginx", "rejects", "directive"),
    [
        ("1.18.0", False, False),
        ("1.19.3", False, False),
        ("1.19.4", True, False),
        ("1.22.1", True, False),
        ("1.24.0", True, False),
        ("1.25.0", True, False),
        ("1.25.1", True, True),
        ("1.26.3", True, True),
        ("1.28.3", True, True),
        (None, True, True),
    ],
)
def test_what_an_nginx_can_do(nginx, rejects, directive):
    abilities = Abilities(version(nginx), version("3.0.19"))
    assert (abilities.rejects_handshakes, abilities.http2_directive) == (rejects, directive)


def test_the_intermediate_profile():
    assert of("1.26.3", "3.5.0") == (
        "ssl_protocols TLSv1.2 TLSv1.3",
        CIPHERS,
        "ssl_prefer_server_ciphers off",
        f"ssl_ecdh_curve {HYBRID}",
        "ssl_session_cache shared:flaskops_tls:10m",
        "ssl_session_timeout 1d",
    )


def test_the_modern_profile_has_no_ciphers_of_tls_1_2():
    assert of("1.26.3", "3.5.0", "modern") == (
        "ssl_protocols TLSv1.3",
        "ssl_prefer_server_ciphers off",
        f"ssl_ecdh_curve {HYBRID}",
        "ssl_session_cache shared:flaskops_tls:10m",
        "ssl_session_timeout 1d",
    )


@pytest.mark.parametrize(
    ("openssl", "curves"),
    [("1.1.1w", CLASSIC), ("3.0.19", CLASSIC), ("3.4.9", CLASSIC), ("3.5.0", HYBRID),
     ("3.10.0", HYBRID), ("4.0.0", HYBRID)],
)  # fmt: skip
def test_the_hybrid_curve_needs_openssl_3_5(openssl, curves):
    assert f"ssl_ecdh_curve {curves}" in of("1.26.3", openssl)


@pytest.mark.parametrize(
    ("nginx", "off"),
    [("1.18.0", True), ("1.22.1", True), ("1.23.1", True), ("1.23.2", False), ("1.26.3", False)],
)
@pytest.mark.parametrize("profile", PROFILES)
def test_tickets_are_off_where_their_key_is_never_rotated(nginx, off, profile):
    assert ("ssl_session_tickets off" in of(nginx, "3.0.19", profile)) is off


@pytest.mark.parametrize("profile", PROFILES)
def test_nothing_that_weakens_is_there(profile):
    text = " ".join(of("1.18.0", "3.0.2", profile))
    for word in ("DHE-RSA-AES256-SHA", "TLSv1 ", "TLSv1.1", "CBC", "dhparam", "stapling", "RC4"):
        assert word not in text
