# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where a redirect with a handwritten URL leads a client, through a real Nginx."""

from __future__ import annotations

import pytest
from test_proxy import STRIPPED, base, needs_nginx, place  # noqa: F401

MOUNTED = {"path_mode": "script_name"}
WHOLE = {"engine": "command", "path_mode": "script_name", "server": "gunicorn"}
HOST = "http://shop.example.org"
BLOG, ROOT = (
    'set $flaskops_paths "$flaskops_paths /blog";',
    'set $flaskops_paths "$flaskops_paths /";',
)


def led(made, location, path="/shop/"):
    made.app.location = location
    return made.get(path).headers["Location"]


LED = {
    "/inside": "/shop/inside",
    "/": "/shop/",
    "/in/side?next=/a&b=//c#top": "/shop/in/side?next=/a&b=//c#top",
    "/shopping": "/shop/shopping",
    "/sho": "/shop/sho",
    f"{HOST}/inside?x=1": "/shop/inside?x=1",
    "/blogger": "/shop/blogger",
}
STAYS = [
    *("/shop/inside", "/shop", "/shop?x=/", f"{HOST}/shop/inside"),
    # of another application
    *("/blog", "/blog/a/b", "/blog?x", f"{HOST}/blog/a"),
    # relative, or of another host
    *("inside", "?page=2", "//other.example.org/inside", "https://other.example.org/inside"),
    *("http://shop.example.org.evil.example/inside", f"https://{HOST[7:]}/shop/"),
]


@needs_nginx
@pytest.mark.parametrize("keys", [MOUNTED, STRIPPED, WHOLE], ids=str)
def test_a_handwritten_redirect_leads_below_the_path_unless_another_one_answers(place, keys):  # noqa: F811
    made = place(**keys)
    made.others = BLOG
    assert {location: led(made, location) for location in LED} == LED
    assert [led(made, location) for location in STAYS] == STAYS


@needs_nginx
def test_an_application_at_the_root_answers_other_redirects(place):  # noqa: F811
    made = place(**MOUNTED)
    made.others = ROOT
    assert led(made, "/inside") == "/inside"


@needs_nginx
def test_redirects_of_an_application_that_knows_its_path_are_unchanged(place):  # noqa: F811
    assert led(place(path_mode="domain"), "/inside") == "/inside"


@needs_nginx
def test_a_directive_disables_the_mapping_of_redirects(place):  # noqa: F811
    assert (
        led(place(**MOUNTED, proxy={"directives": ["proxy_redirect off"]}), "/inside") == "/inside"
    )


@needs_nginx
def test_a_custom_variable_does_not_disable_the_mapping_of_redirects(place):  # noqa: F811
    assert led(place(**MOUNTED, proxy={"directives": ["set $mine 1"]}), "/inside") == "/shop/inside"


@needs_nginx
def test_a_cached_redirect_is_mapped_too(place):  # noqa: F811
    made = place(**MOUNTED, proxy={"cache_seconds": 9})
    made.app.location = "/inside"
    assert [made.get("/shop/").headers["Location"] for _time in range(2)] == ["/shop/inside"] * 2


@needs_nginx
def test_a_long_redirect_costs_no_time(place):  # noqa: F811
    """One application must not use up the processor time of all others."""
    location = "/" + "a/" * 4000
    others = "\n".join(
        f'set $flaskops_paths "$flaskops_paths /{"a/" * 30}{number}";' for number in range(50)
    )
    made = place(**MOUNTED)
    made.app.location, made.others = location, others
    assert made.get("/shop/").headers["Location"] == f"/shop{location}"


@pytest.mark.parametrize("state", ["nginx.conf", "maintenance.conf", "stopped.conf"])
def test_each_state_names_the_path_of_the_application(place, state):  # noqa: F811
    assert (
        'set $flaskops_paths "$flaskops_paths /shop";' in place(**MOUNTED).release["files"][state]
    )


@needs_nginx
def test_a_gunicorn_of_the_image_gets_the_whole_path_and_strips_it(place):  # noqa: F811
    made = place(**WHOLE)
    for path in ("/shop/%2F/a%20b?x=%3F", "/shop//a", "//shop/a"):
        received = made.get(path).received
        assert (received["path"], received["headers"]["x-forwarded-prefix"]) == (
            path.replace("//shop", "/shop"),
            "/shop",
        )
