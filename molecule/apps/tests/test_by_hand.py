"""Applications that pass their health check and are broken nevertheless: links that are written by
hand, missing files, and streams that hold all threads.
"""

import time

import pytest

MOUNTED = {"path_mode": "script_name", "drain_seconds": 0}
BY_HAND = {**MOUNTED, "source": "by-hand"}


@pytest.fixture(scope="module")
def deployed(deploy):
    """All of them in one run."""
    busy = {"env": {"NEIGHBOUR": "/insists"}, "uwsgi": {"processes": 1, "threads": 2}}
    return deploy(
        {**BY_HAND, **busy, "name": "by-hand", "path": "/by-hand"},
        {**BY_HAND, "name": "insists", "path": "/insists", "env": {"INSISTS_ON_HTTPS": "1"}},
        {
            **MOUNTED,
            "name": "own-gunicorn",
            "source": "own-gunicorn",
            "dockerfile": "Dockerfile",
            "path": "/own-gunicorn",
        },
    )


def test_they_serve(deployed):
    assert deployed.code == 0, deployed.output[-3000:]


def test_links_that_leave_the_path_are_reported_with_the_key(deployed):
    assert (
        "by-hand serves, but 2 of 3 links of /by-hand/inside lead out of its path /by-hand:"
        " /inside, /send." in deployed.text
    )
    assert "in its entry site: NAME and path: /." in deployed.text


def test_a_missing_script_is_reported_and_an_existing_style_is_not(deployed):
    assert (
        "/by-hand/inside asks for missing files: /by-hand/missing.js (404). Write" in deployed.text
    )
    assert "style.css" not in deployed.text


def test_for_one_that_insists_on_https_the_message_names_the_trusted_proxies(deployed):
    assert (
        "insists serves, but /insists/ redirects to https://localhost/insists/, and this host"
        " speaks http alone" in deployed.text
    )
    assert "nginx_trusted_proxies" in deployed.text


def test_a_redirect_by_hand_stays_below_the_path_and_one_to_a_neighbour_leads_there(deployed, get):
    assert get("/by-hand/").headers["location"] == "/by-hand/inside"
    assert get("/by-hand/neighbour").headers["location"] == "/insists/"


def test_an_applications_own_gunicorn_knows_its_path(deployed, get):
    assert get("/own-gunicorn/").headers["location"] == "/own-gunicorn/page"
    assert (
        get("/own-gunicorn/page").body == '<a href="/own-gunicorn/page">/own-gunicorn /page</a>\n'
    )
    assert "own-gunicorn serves, but" not in deployed.text


@pytest.mark.long
def test_when_streams_hold_all_threads_the_log_says_so(host, deployed, log):
    """Two streams on the only two threads, and one request that waits."""
    ask = "import sys, time, urllib.request as u; answer = u.urlopen(sys.argv[1]); time.sleep(60)"
    for path in ("ticks", "ticks", "inside"):
        host.check_output(
            f"python3 -c %s http://127.0.0.1/by-hand/{path} >/dev/null 2>&1 & sleep 0.5", ask
        )
    until = time.monotonic() + 60
    while "open streams" not in log("by-hand") and time.monotonic() < until:
        time.sleep(1)
    host.run("pkill -f by-hand/[ti]")
    assert (
        "flaskops: open streams hold all 2 threads of a process, and requests wait. Write"
        " websocket: true" in log("by-hand")
    )


@pytest.fixture(scope="module", autouse=True)
def gone(deployed, end):
    """These containers are not restarted with the others."""
    yield
    end("by-hand", "insists", "own-gunicorn")
