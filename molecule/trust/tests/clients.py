# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What no browser sends. The scenario trust sends it by plain HTTP; the scenario sites, which has a
link to this file, over TLS.
"""

INVALID_HOSTS = [
    "localhost:80@evil.example",
    '"><script>',
    "localhost:evil",
    "evil.example,localhost",
    "evil..example",
]
TUNNELS = ["h2c", "h2c, websocket", "websocket, h2c", "H2c"]
SETTINGS = "AAMAAABkAARAAAAAAAIAAAAA"
NOT_OURS = ["X_Real_IP", "X_Forwarded_Proto", "X-Forwarded_For"]
