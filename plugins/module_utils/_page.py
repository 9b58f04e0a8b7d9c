# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the first page of an application: where its redirects, its links and its files lead, and what to write where that is nowhere.

What is found is told and never holds a release up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from ansible_collections.flaskops.host.plugins.module_utils._probe import GUARDED, PROBLEMS, Connection, Fetched, fetch
from ansible_collections.flaskops.host.plugins.module_utils._shown import shown_line

REDIRECTS = 5  # one after the other
PAGE_SECONDS = 2  # for the page, its redirects among it
FILE_SECONDS, FILES = 1, 20  # for all files of it together, and how many are asked for
PAGE_BYTES, PIECE, NAMED, LONGEST = 256 << 10, 16 << 10, 2000, 2000  # of a page, of what is read at a time; addresses, and one of them
EXAMPLES, SHOWN = 5, 100
_REDIRECTS = (301, 302, 303, 307, 308)
_FILES = {"script": "src", "img": "src", "link": "href"}
_LINKS = {"a": "href", "area": "href", "form": "action"}
_KINDS = {"stylesheet", "icon", "modulepreload", "manifest"}


@dataclass(frozen=True)
class Walk:
    """Where redirects end: the last address that was asked for, its answer, and where that leads, if it was not followed."""

    url: str
    answer: Fetched
    target: str = ""
    circle: bool = False


def is_own(url: str, host: str, prefix: str = "") -> bool:
    """Whether an address is one of this host, below a path."""
    try:
        parts = urlsplit(url)
        same = parts.scheme in ("http", "https") and parts.port in (None, 80, 443) and parts.hostname == urlsplit(f"//{host}").hostname
    except ValueError:
        return False
    return same and f"{parts.path}/".startswith(f"{prefix}/")


def path_of(url: str) -> str:
    """The path and the query of an address."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def walk(get: Callable[[str, dict[str, str]], Fetched], url: str, follows: Callable[[str], str]) -> Walk:
    """Follow redirects, with the cookies that are set on the way.

    Args:
        get: asks for an address with further headers.
        url: where it begins.
        follows: gives for the address of a redirect the one to ask for, "" for none.
    """
    cookies: dict[str, str] = {}
    for _number in range(REDIRECTS + 1):
        answer = get(url, {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())} if cookies else {})
        for name, _equals, value in (cookie.partition(";")[0].partition("=") for cookie in answer.cookies[:FILES]):
            cookies[name.strip()] = value.strip()
        if answer.status not in _REDIRECTS or not answer.location:
            return Walk(url, answer)
        target = _joined(url, answer.location)
        following = follows(target)
        if not following:
            return Walk(url, answer, target)
        url = following
    return Walk(url, answer, circle=True)


def _joined(url: str, address: str) -> str:
    try:
        return urldefrag(urljoin(url, address[:LONGEST].strip())).url
    except ValueError:
        return ""


class Page(HTMLParser):
    """The links and the files that a page names, as they are written."""

    def __init__(self) -> None:
        super().__init__()
        self.base = ""
        self.links: dict[str, None] = {}
        self.files: dict[str, None] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words = {name: value or "" for name, value in attrs}
        if tag == "base":
            self.base = self.base or words.get("href", "")
        for places, found in ((_LINKS, self.links), (_FILES, self.files)):
            address = words.get(places.get(tag, ""), "").strip()
            if tag == "link" and not _KINDS & set(words.get("rel", "").lower().split()):
                continue
            if address and not address.startswith("#") and len(address) <= LONGEST and len(found) < NAMED:
                found[address] = None

    def read(self, text: str, until: float) -> None:
        """Piece by piece: no page takes longer than its time."""
        for start in range(0, min(len(text), PAGE_BYTES), PIECE):
            if time.monotonic() > until:
                return
            try:
                self.feed(text[start : start + PIECE])
            except (AssertionError, ValueError):  # what it takes for no HTML ends the page
                return


def look(release: Mapping[str, Any], neighbours: Collection[str] = ()) -> list[str]:
    """What is wrong with the first page of a release that serves, as sentences.

    Args:
        release: C(prefix), C(host) and C(port), as check_of gives them, C(tls) of the site, C(path_mode) and C(engine).
        neighbours: the paths of the other applications of the site, without their last slash.
    """
    try:
        return _Look(release, neighbours).sentences()
    except PROBLEMS:
        return []  # the health check has the word on what does not answer


class _Look:
    def __init__(self, release: Mapping[str, Any], neighbours: Collection[str]) -> None:
        self.release, self.neighbours = release, neighbours
        self.prefix, self.host = release["prefix"], release["host"]
        self.first = f"http://{self.host}{self.prefix}/"

    def sentences(self) -> list[str]:
        until = time.monotonic() + PAGE_SECONDS
        found = walk(lambda url, headers: self._get(url, until, headers), self.first, self._followed)
        if found.circle:
            return [f"{_shown(path_of(self.first))} redirects to {_shown(path_of(found.url))}, and so on, in a circle."]
        if found.target:
            return self._redirect(found)
        status = found.answer.status
        if status >= 500 or (found.url != self.first and status >= 400 and str(status) not in GUARDED):
            return [f"{self._way(found)} answers {status}; its log may say why."]
        if status >= 400 or not found.answer.body:
            return []
        page = Page()
        page.read(found.answer.body, until)
        return self._page(page, _joined(found.url, page.base) if page.base else found.url, _shown(path_of(found.url)))

    def _get(self, url: str, until: float, headers: dict[str, str] | None = None, size: int = PAGE_BYTES) -> Fetched:
        if time.monotonic() > until:
            raise TimeoutError
        connection = Connection(until, self.release["port"])
        try:
            return fetch(connection, path_of(url), {"Host": self.host, **(headers or {})}, size)
        finally:
            connection.close()

    def _followed(self, target: str) -> str:
        return target if urlsplit(target).scheme == "http" and is_own(target, self.host, self.prefix) else ""

    def _way(self, found: Walk) -> str:
        start, end = (_shown(path_of(url)) for url in (self.first, found.url))
        return start if start == end else f"{start} redirects to {end}, which"

    def _redirect(self, found: Walk) -> list[str]:
        """A redirect that was not followed. One to another host may well be meant, such as a login there."""
        page, target = _shown(path_of(found.url)), _shown(found.target)
        if not is_own(found.target, self.host):
            return []
        if urlsplit(found.target).scheme == "https" and is_own(found.target, self.host, self.prefix):
            if self.release.get("tls"):
                return []
            return [
                f"{page} redirects to {target}, and this host speaks http alone: let a proxy in front open TLS, and write its address in "
                "nginx_trusted_proxies, so that the application hears of https."
            ]
        if self._of_neighbour(found.target):
            return []
        return [f"{page} redirects to {target}, out of its path {self.prefix}. {self._key()}"]

    def _of_neighbour(self, url: str) -> bool:
        return any(is_own(url, self.host, path) for path in self.neighbours)

    def _page(self, page: Page, base: str, name: str) -> list[str]:
        links = [url for url in (_joined(base, each) for each in page.links) if is_own(url, self.host)]
        out = [url for url in links if not is_own(url, self.host, self.prefix) and not self._of_neighbour(url)]
        missing = self._missing([url for url in (_joined(base, each) for each in page.files) if is_own(url, self.host)])
        far = [url for url in missing if not is_own(url, self.host, self.prefix)]
        words = []
        if 2 * len(out) > len(links) or far:
            count = f"{len(out)} of {len(links)} links" if 2 * len(out) > len(links) else f"{len(far)} of {len(page.files)} files"
            examples = _listed([path_of(url) for url in dict.fromkeys([*far, *out])])
            words.append(f"{count} of {name} lead out of its path {self.prefix}: {examples}. {self._key()}")
        if near := [f"{path_of(url)} ({status})" for url, status in missing.items() if url not in far]:
            words.append(
                f"{name} asks for what is not there: {_listed(near)}. Write where the image has it, as static: [{{url: /static, path: "
                "DIRECTORY}]; what a build step makes has to be made with the image."
            )
        return words

    def _missing(self, urls: list[str]) -> dict[str, int]:
        """The files that are not to be had; those that the time does not reach are not asked for."""
        until = time.monotonic() + FILE_SECONDS
        found = {}
        for url in dict.fromkeys(urls[:FILES]):
            try:
                status = self._get(url, until, size=0).status
            except PROBLEMS:
                continue
            if status >= 400 and str(status) not in GUARDED:
                found[url] = status
        return found

    def _key(self) -> str:
        """What to write for an application that does not stay below its path."""
        own = "a site of its own takes it as it is: nginx_sites, and in its entry site: NAME and path: /"
        if self.release["path_mode"] == "domain":
            return f"One that knows nothing of its path: write path_mode: script_name. Else put DOMAIN before it, or {own}."
        if self.release["engine"] == "command":
            told = f"env: {{SCRIPT_NAME: {self.prefix}}} where it is Gunicorn, else what honours X-Forwarded-Prefix, such as ProxyFix"
            return f"Its server has to know the path: {told}. Addresses that are written by hand need url_for, or {own}."
        return f"Addresses that are written by hand need url_for, or {own}."


def _shown(text: str) -> str:
    return shown_line(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - EXAMPLES} more" if len(texts) > EXAMPLES else ""
    return ", ".join(map(_shown, texts[:EXAMPLES])) + more
