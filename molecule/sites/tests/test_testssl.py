# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What testssl.sh says of a site with a certificate of the test authority: the one of Debian 13,
which gives grades, asks both it and Debian 12.
"""

import json

import pytest
from test_sites import STORE, WWW

# Accepted findings, by the name that testssl.sh has for them, and the reason.
ACCEPTED = {
    "engine_problem": "The OpenSSL that asks knows no GOST.",
    "cert_revocation": "The test authority names no list of revoked certificates.",
    "HSTS_time": "A day by default, so that a fault of the first day locks nobody out for years.",
    "grade_cap_reason_1": "The same.",
    "security_headers": "A Content-Security-Policy is for the application to write.",
    "sessionresumption_ticket": "Off before Nginx 1.23.2, which never rotates their key.",
}
HARMLESS = ("OK", "INFO", "DEBUG")


@pytest.mark.long
@pytest.mark.parametrize("where", ["bookworm", "trixie"])
def test_the_grade_of_a_site_is_a(where, https, site, host, others):
    client = others[0]
    if where == "trixie":
        site(WWW, apps=[STORE], arguments=("--limit", client.backend.host)).ok()
    machine = client if where == "trixie" else host
    client.check_output(
        "apt-get update -qq && DEBIAN_FRONTEND=noninteractive"
        " apt-get install -y -qq --no-install-recommends testssl.sh"
    )
    roots = machine.check_output(
        "curl -sS --cacert /etc/authority/ca.pem https://localhost:15000/roots/0"
    )
    client.check_output("echo %s > /root/roots.pem", roots)
    address = machine.check_output("hostname -i").split()[0]
    run = client.run(
        "TERM=dumb testssl --quiet --color 0 --warnings off --nodns min --overwrite"
        f" --add-ca /root/roots.pem --ip {address} --jsonfile /root/testssl.json"
        " https://shop.example.org/store/ < /dev/null"
    )
    found = json.loads(client.check_output("cat /root/testssl.json"))
    said = {each["id"]: each["finding"] for each in found}
    listed = {
        each["id"]: f"{each['severity']} {each['finding']}"
        for each in found
        if each["severity"] not in HARMLESS or each["id"].startswith("grade_cap")
    }
    print(f"testssl, {where}: {said.get('overall_grade')}; {listed}")
    assert said.get("overall_grade") in ("A", "A+"), run.stdout
    assert set(listed) <= set(ACCEPTED), listed
