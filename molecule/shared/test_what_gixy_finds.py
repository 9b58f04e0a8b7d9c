# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""The last test of each scenario; each has a link to this file. What is accepted, and why, is in
tests/nginx_findings.py.
"""


def test_gixy_finds_nothing_in_what_nginx_has(host, findings):
    assert findings(host) == []
