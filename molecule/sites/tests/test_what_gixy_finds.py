# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""As shared/test_what_gixy_finds.py, with a site with TLS, whatever the tests before have left."""


def test_gixy_finds_nothing_in_sites_with_tls(https, host, findings):
    assert findings(host) == []
