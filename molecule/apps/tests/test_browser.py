"""What a person sees: Chromium visits four applications below their paths, on a desktop and on a
phone, in light and dark mode.

It walks through each application once for each kind of screen; the tests check what it met on the
way. The screenshots are stored in .cache/test-reports/screenshots.
"""

import base64
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

import pytest
from conftest import APPS
from selenium.webdriver import ChromeOptions, Remote
from selenium.webdriver.common.by import By
from selenium.webdriver.common.proxy import Proxy, ProxyType
from selenium.webdriver.remote.client_config import ClientConfig
from selenium.webdriver.support.wait import WebDriverWait

DRIVER = 9515  # the port, as in prepare.yml
SCREENS = {
    "desktop": {"width": 1280, "height": 800, "deviceScaleFactor": 1, "mobile": False},
    "phone": {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True},
}

# Describes a page that has loaded.
LOOK = """
const images = [...document.images];
return {
  address: location.href,
  title: document.title,
  text: document.body.innerText,
  dark: matchMedia("(prefers-color-scheme: dark)").matches,
  background: getComputedStyle(document.body).backgroundColor,
  overflow: document.scrollingElement.scrollWidth - innerWidth,
  images: images.map((image) =>
    ({address: image.src, shown: image.complete && image.naturalWidth > 0})),
  links: [...document.links].map((link) => link.href),
  forms: [...document.forms].map((form) => form.action),
};
"""
# Follows the links of a page.
FOLLOW = """
const done = arguments[arguments.length - 1];
const links = [...new Set([...document.links].map((link) => link.href.split("#")[0]))];
Promise.all(links.map(async (link) => {
  const answer = await fetch(link);
  return {link: link, status: answer.status, address: answer.url};
})).then(done);
"""


class Browser:
    """A Chromium with one kind of screen, and what it has met since its last walk began."""

    def __init__(self, address: str, screen: str, scheme: str, pictures: Path) -> None:
        self.origin, self.view, self.pictures = f"http://{address}", f"{screen}-{scheme}", pictures
        self.pages: list[dict[str, Any]] = []
        self.events: dict[str, list[dict[str, Any]]] = {}
        options = ChromeOptions()
        # A container inside a container allows no sandbox and has little shared memory.
        for argument in (
            "headless=new",
            "no-sandbox",
            "disable-dev-shm-usage",
            "disable-gpu",
            "hide-scrollbars",
        ):
            options.add_argument(f"--{argument}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        server = f"{self.origin}:{DRIVER}"
        # The host is not behind a proxy that the controller may have.
        direct = ClientConfig(server, proxy=Proxy({"proxyType": ProxyType.DIRECT}), timeout=60)
        self.driver = Remote(server, options=options, client_config=direct)
        self.driver.set_page_load_timeout(30)
        self.devtools("Emulation.setDeviceMetricsOverride", **SCREENS[screen])
        self.devtools("Emulation.setTouchEmulationEnabled", enabled=screen == "phone")
        self.devtools(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": scheme}],
        )

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute("executeCdpCommand", {"cmd": command, "params": parameters})[
            "value"
        ]

    def log(self, kind: str) -> list[dict[str, Any]]:
        """The entries since the last call."""
        return list(self.driver.execute("getLog", {"type": kind})["value"])

    def network(self, event: str) -> list[dict[str, Any]]:
        """The events of that kind since the walk began."""
        for entry in self.log("performance"):
            message = json.loads(entry["message"])["message"]
            self.events.setdefault(message["method"], []).append(message["params"])
        return self.events.get(f"Network.{event}", [])

    def wait(self, selector: str) -> None:
        WebDriverWait(self.driver, 30).until(
            lambda driver: driver.find_elements(By.CSS_SELECTOR, selector), f"no {selector}"
        )

    def look(self, name: str, ready: str = "body") -> None:
        """Record the page, once it has loaded and matches the selector `ready`."""
        self.wait(ready)
        WebDriverWait(self.driver, 30).until(
            lambda driver: driver.execute_script("return document.readyState") == "complete"
        )
        self.pages.append({"name": name, **self.driver.execute_script(LOOK)})
        picture = self.devtools("Page.captureScreenshot", format="jpeg", quality=85)["data"]
        (self.pictures / f"{name}-{self.view}.jpg").write_bytes(base64.b64decode(picture))

    def open(self, path: str, name: str, ready: str = "body") -> None:
        self.driver.get(self.origin + path)
        self.look(name, ready)

    def click(self, selector: str) -> None:
        self.wait(selector)
        element = self.driver.find_element(By.CSS_SELECTOR, selector)
        self.driver.execute_script(
            "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element
        )
        element.click()

    def fill(self, **fields: str) -> None:
        for name, value in fields.items():
            field = self.driver.find_element(By.CSS_SELECTOR, f"[name={name}]")
            field.clear()
            field.send_keys(value)

    def follow(self) -> list[dict[str, Any]]:
        """The answers to the links of this page."""
        return list(self.driver.execute_async_script(FOLLOW))


# --- the walks ------------------------------------------------------------------------------------


def walk_sample(browser: Browser, prefix: str) -> list[dict[str, Any]]:
    """From the first page by links and two forms to an order; prices arrive over a websocket."""
    live = "#live[data-state=on]"  # its script sets it when the websocket is open
    browser.open(f"{prefix}/", "sample-home", live)
    followed = browser.follow()
    WebDriverWait(browser.driver, 30).until(
        lambda _: browser.network("webSocketFrameReceived"), "no prices came"
    )
    browser.click("nav a[href$='/table']")
    browser.look("sample-parts", live)
    browser.click("nav a[href$='/']")
    browser.wait(live)
    browser.click(".presets a.button")
    browser.look("sample-builder", live)
    browser.click("#builder [type=submit]")
    browser.wait("#email")
    browser.fill(name="Night Owl", email="no address", quantity="2")
    browser.click("form [type=submit]")
    browser.look("sample-refused", f"body:has([aria-invalid]) {live}")
    browser.fill(email="ada@example.org")
    browser.click("form [type=submit]")
    browser.look("sample-ordered", f"body:not(:has(form)) {live}")
    return followed


def walk_diary(browser: Browser, prefix: str) -> list[dict[str, Any]]:
    """An account, a login, an entry: each form is followed by a redirect."""
    account = {"name": f"ada-{time.time_ns()}", "password": "correct horse"}
    browser.open(f"{prefix}/", "diary-first")
    browser.click("nav a[href$=register]")
    browser.fill(**account)
    browser.click("form button")
    browser.look("diary-login", "form")
    browser.fill(**account)
    browser.click("form button")
    browser.look("diary-welcome", ".flash")
    browser.click("a[href$=create]")
    browser.wait("[name=text]")
    browser.fill(text=f"Seen on a {browser.view} screen")
    browser.click("form button")
    browser.look("diary-written", "article")
    return browser.follow()


def walk_blog(browser: Browser, prefix: str) -> list[dict[str, Any]]:
    """Addresses that the page and its script compose themselves, and one that redirects."""
    browser.open(f"{prefix}/", "blog-first", "a")
    followed = browser.follow()
    browser.click("a")
    browser.look("blog-parts", "script[src]")
    browser.driver.execute_script("order()")  # the page's own
    browser.look("blog-ordered", "script[src]")
    return followed


def walk_single_page(browser: Browser, prefix: str) -> list[dict[str, Any]]:
    """A page with a relative link to its script."""
    browser.open(f"{prefix}/", "single-page")
    return browser.follow()


WALKS = {
    "sample-uwsgi": walk_sample,
    "diary-gunicorn": walk_diary,
    "subpath-blog": walk_blog,
    "uwsgi-spa": walk_single_page,
}


# --- what they met --------------------------------------------------------------------------------


class Walk(NamedTuple):
    inside: str  # the prefix of all addresses of the application
    pages: list[dict[str, Any]]
    followed: list[dict[str, Any]]
    console: list[str]
    events: dict[str, list[dict[str, Any]]]

    def network(self, event: str) -> list[dict[str, Any]]:
        return self.events.get(f"Network.{event}", [])

    @property
    def expected(self) -> set[tuple[str, int]]:
        """The error answers that are correct: a refused order, and the icon of a page that does not
        name one.
        """
        return {(f"{self.inside}order", 422), (urljoin(self.inside, "/favicon.ico"), 404)}

    def outside(self, addresses: Iterable[str]) -> list[str]:
        own = (self.inside, self.inside.replace("http:", "ws:", 1), "data:")
        return [address for address in addresses if not address.startswith(own)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = Path(
        os.environ.get("FLASKOPS_TEST_REPORTS") or tmp_path_factory.mktemp("reports"), "screenshots"
    )
    directory.mkdir(exist_ok=True)
    return directory


@pytest.fixture(
    scope="module",
    params=[
        ("desktop", "light"),
        pytest.param(("desktop", "dark"), marks=pytest.mark.long),
        pytest.param(("phone", "light"), marks=pytest.mark.long),
        ("phone", "dark"),
    ],
    ids="-".join,
)
def walked(
    request: pytest.FixtureRequest, host: Any, pictures: Path
) -> Iterator[Callable[[str], Walk]]:
    """The walk through an application; it starts when a test first needs it."""
    browser = Browser(host.interface.default().addresses[0], *request.param, pictures)

    @cache
    def walk(app: str) -> Walk:
        browser.pages, browser.events = [], {}
        followed = WALKS[app](browser, APPS[app].prefix)
        browser.network("")
        console = [
            f"{entry['level']} {entry['message']}"
            for entry in browser.log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]
        return Walk(
            f"{browser.origin}{APPS[app].prefix}/", browser.pages, followed, console, browser.events
        )

    yield walk
    browser.driver.quit()


@pytest.fixture(params=WALKS)
def walk(request: pytest.FixtureRequest, walked: Callable[[str], Walk]) -> Walk:
    return walked(request.param)


def test_the_whole_walk_stays_below_its_path(walk):
    assert walk.pages
    assert walk.outside(page["address"] for page in walk.pages) == []


def test_the_console_is_clean(walk):
    words = "Failed to load resource: the server responded with a status of"
    expected = tuple(f"SEVERE {address} - {words} {status} " for address, status in walk.expected)
    assert [line for line in walk.console if not line.startswith(expected)] == []


def test_nothing_is_requested_outside_the_path(walk):
    asked = [event["request"]["url"] for event in walk.network("requestWillBeSent")]
    asked += [event["url"] for event in walk.network("webSocketCreated")]
    assert len(asked) >= len(walk.pages)
    assert [address for address in walk.outside(asked) if (address, 404) not in walk.expected] == []


def test_everything_that_is_requested_is_found(walk):
    answers = {
        (event["response"]["url"].split("?")[0], event["response"]["status"])
        for event in walk.network("responseReceived")
    }
    assert {page["address"].split("?")[0] for page in walk.pages} <= {
        address for address, _ in answers
    }
    assert [answer for answer in answers - walk.expected if answer[1] >= 400] == []
    assert [
        event["errorText"] for event in walk.network("loadingFailed") if not event.get("canceled")
    ] == []


def test_every_link_leads_to_a_page_below_the_path(walk):
    assert [page for page in walk.followed if page["status"] != 200] == []
    assert walk.outside(page["address"] for page in walk.followed) == []


def test_every_address_on_a_page_is_below_the_path(walk):
    assert (
        walk.outside(address for page in walk.pages for address in page["links"] + page["forms"])
        == []
    )


def test_every_image_is_shown(walk):
    assert [
        image["address"] for page in walk.pages for image in page["images"] if not image["shown"]
    ] == []


def test_pages_fit_the_width_of_the_screen(walk):
    assert {page["name"]: page["overflow"] for page in walk.pages if page["overflow"] > 0} == {}


def test_the_walks_met_resources_of_each_kind(walked):
    kinds = {event["type"] for app in WALKS for event in walked(app).network("responseReceived")}
    assert {"Document", "Script", "Stylesheet", "Image", "Fetch"} <= kinds
    assert all(page["images"] for page in walked("sample-uwsgi").pages)
    assert all(walked(app).followed for app in WALKS if app != "uwsgi-spa")


def test_an_order_is_sent_back_and_then_accepted(walked):
    refused, ordered = walked("sample-uwsgi").pages[-2:]
    assert "The order is not placed yet." in refused["text"]
    assert "Night Owl" in ordered["text"]


def test_the_text_of_a_form_is_on_the_page_to_which_it_redirects(walked):
    page = walked("diary-gunicorn").pages[-1]
    assert "Seen on a " in page["text"]
    assert urlsplit(page["address"]).path == "/diary-gunicorn/"


def test_the_script_of_a_page_leads_to_its_address(walked):
    assert urlsplit(walked("subpath-blog").pages[-1]["address"]).path == "/subpath-blog/main"
    assert walked("uwsgi-spa").pages[-1]["title"] == "The single page"


def test_prices_arrive_over_the_websocket(walked):
    walk = walked("sample-uwsgi")
    assert {urlsplit(event["url"]).path for event in walk.network("webSocketCreated")} == {
        "/sample-uwsgi/ws"
    }
    assert {
        event["response"]["status"] for event in walk.network("webSocketHandshakeResponseReceived")
    } == {101}
    assert any(
        '"prices"' in event["response"]["payloadData"]
        for event in walk.network("webSocketFrameReceived")
    )
    assert walk.network("webSocketFrameError") == []


def test_the_sample_application_is_light_or_dark_as_the_screen_is(walked, request):
    wanted = "dark" in request.node.callspec.id
    pages = walked("sample-uwsgi").pages
    assert {page["dark"] for page in pages} == {wanted}
    colours = {page["background"] for page in pages}
    assert all(
        (sum(map(int, re.findall(r"\d+", colour)[:3])) < 3 * 128) is wanted for colour in colours
    ), colours
