# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""If a build does not trust a server, the message names the key, for the error of each program."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.host.files import HostError
from ansible_collections.flaskops.host.plugins.module_utils.host.reason import apart
from ansible_collections.flaskops.host.plugins.module_utils.images import (
    bootstrap,
    build,
    certificates,
)

SSL = (
    "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: self-signed certificate in"
    " certificate chain (_ssl.c:1029)"
)
# Recorded output of pip 25 in the runtime image, behind a proxy that intercepts HTTPS.
PIP = f"""#9 [requirements 4/4] RUN gently flaskops-install -r requirements.txt
#9 8.324 WARNING: Retrying (Retry(total=0)) after connection broken by 'SSLError(SSLCertVerificationError(1, '{SSL}'))': /simple/flask/
#9 8.378 Could not fetch URL https://pypi.org/simple/flask/: There was a problem confirming the ssl certificate: {SSL} - skipping
#9 8.382 ERROR: Could not find a version that satisfies the requirement Flask (from versions: none)
#9 8.383 ERROR: No matching distribution found for Flask
#9 ERROR: process "/bin/sh -c gently flaskops-install     -r requirements.txt" did not complete successfully: exit code: 1"""
WRITE = (
    "Write flask_apps_build_ca_bundle: /etc/ssl/certs/ca-certificates.crt, a file on the host that"
    " has its authority."
)
NPM = (
    "#9 npm error code SELF_SIGNED_CERT_IN_CHAIN\n#9 npm error request to"
    " https://registry.npmjs.org/x failed, reason: self-signed {0}"
)
LOGS = [
    PIP,
    (
        "#8 2.1 W: https://deb.example/debian/dists/trixie/InRelease: Certificate verification"
        " failed: The certificate is NOT trusted. The certificate issuer is unknown.  Could not"
        " handshake: Error in the certificate verification. [IP: 192.0.2.1 443]"
    ),
    (
        "#8 3.3 E: Failed to fetch https://deb.example/x.deb  SSL connection failed:"
        " error:0A000086:SSL routines::certificate verify failed"
    ),
    NPM.format("certificate chain"),
    "#9 1.2 npm error code UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    (
        "#9 1.2 npm ERR! request to https://registry.npmjs.org/vite failed, reason: unable to get"
        " local issuer certificate"
    ),
    "#9 1.2 error Error: self signed certificate in certificate chain",
    "#9 0.5 curl: (60) SSL certificate problem: self-signed certificate in certificate chain",
    "#9 0.5 ERROR: cannot verify example.org's certificate, issued by 'CN=Proxy':",
    (
        "#9 0.5 fatal: unable to access 'https://github.com/x/y/': server certificate verification"
        " failed. CAfile: none CRLfile: none"
    ),
    "#9 0.5   Caused by: invalid peer certificate: UnknownIssuer",
    f"#9 0.5 urllib.error.URLError: <urlopen error {SSL}>",
]


@pytest.mark.parametrize("log", LOGS)
def test_a_certificate_error_of_a_build_leads_to_the_key(log):
    message = certificates.of_build(
        f"#1 [internal] load build definition\n{log}\n#9 9.9 bye", False
    )
    first, write = message.splitlines()
    assert not first.startswith("#") and first in log
    assert write.startswith(
        "The package index has a certificate that the build does not trust"
    ) and write.endswith(WRITE)


@pytest.mark.parametrize(
    "log",
    [
        "#9 1.2 ERROR: No matching distribution found for flask==99",
        (
            "#9 1.2 [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: certificate has"
            " expired (_ssl.c:1029)"
        ),
        "#9 1.2 certificate verify failed: Hostname mismatch, certificate is not valid for 'x'.",
        "#9 [2/4] RUN openssl req -x509 # a self-signed certificate",
    ],
)
def test_an_error_that_no_authority_fixes_does_not_lead_to_the_key(log):
    assert certificates.of_build(log, False) == ""


def test_the_advice_differs_when_the_bundle_lacks_the_authority():
    message = certificates.of_build(PIP, True)
    assert (
        "Its authority is not in the file of flask_apps_build_ca_bundle: add it to that file on the"
        " host." in message
    )


@pytest.mark.parametrize(
    ("secrets", "words"),
    [
        ([], WRITE),
        (["--secret=id=flaskops-ca-bundle.crt,src=/x"], "add it to that file on the host."),
    ],
)
def test_the_reason_of_a_failed_build_is_the_certificate(secrets, words):
    class Engine:
        def run(self, *_words, **_options):
            raise HostError(f"docker build: {PIP}")

    with pytest.raises(HostError) as error:
        build.build(Engine(), "/x", "shop:1", secrets)
    reason, log = apart(str(error.value))
    assert reason.endswith(words)
    assert "No matching distribution" in log and "No matching distribution" not in reason


def test_the_base_that_cannot_be_fetched_names_what_the_host_needs(tmp_path, monkeypatch):
    class Run:
        def __init__(self, command, **_options):
            self.returncode, self.stderr = int(command[0] == "mmdebstrap"), LOGS[1]
            self.stdout = "Debian|https://deb.example/debian|trixie|main|\n"

    class Engine:
        def inspect(self, *_words):
            return {}

    monkeypatch.setattr(bootstrap.subprocess, "run", Run)
    with pytest.raises(HostError, match="run update-ca-certificates") as error:
        bootstrap.Bootstrap("base", "trixie", ("python3",)).make(Engine(), tmp_path)
    assert "Certificate verification failed" in str(error.value)
