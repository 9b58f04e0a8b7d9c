# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the first page of an application: where its redirects, its links and its files lead, and
what to write where they lead nowhere.

The findings are warnings and never delay a release.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

from ..host.shown import shown_line
from ..nginx.site import PORTS, SCHEME, Site
from .probe import GUARDED, PROBLEMS, Connection, Fetched, fetch
from .work import Work

REDIRECTS = 5  # one after the other
PAGE_SECONDS = 2  # for the page, including its redirects
FILE_SECONDS, FILES = 1, 20  # for all files of it together, and how many are asked for
PAGE_BYTES, PIECE, NAMED, LONGEST = (
    256 << 10,
    16 << 10,
    2000,
    2000,
)  # of a page, of one read; number of addresses, and length of one
EXAMPLES, SHOWN = 5, 100
_REDIRECTS = (301, 302, 303, 307, 308)
_FILES = {"script": "src", "img": "src", "link": "href"}
_TEXTS, TEXT_BYTES = "css|javascript", 64 << 10  # the files that name further addresses
_STYLED = re.compile(r"url\(\s*['\"]?(/[^/'\")\s][^'\")\s]*)")
# A call with a complete address; one that is made of parts, or goes through a client with its own
# base, may be right.
_CALLED = re.compile(
    r"(?:(?<![\w.$])(?:(?:window|self)\.)?fetch\(|\bnew"
    r" (?:EventSource|WebSocket)\(|\.open\(\s*['\"](?:GET|POST|PUT|PATCH|DELETE)['\"]\s*,)"
    r"\s*['\"`](/[^/'\"`\s$][^'\"`\s$]*)"
)
# Socket.IO without a path option, which requests /socket.io at the root of the site; a namespace
# ("/chat") is not a path.
_SOCKET = re.compile(r"[=(]\s*io(?:\.connect)?\(\s*(?:['\"]/[\w-]*['\"]\s*)?\)")
_COMMENT = re.compile(r"(?:^|(?<=[\s;{}),]))//[^\n]*", re.MULTILINE)  # not of https://
_LINKS = {"a": "href", "area": "href", "form": "action"}
_KINDS = {"stylesheet", "icon", "modulepreload", "manifest"}


@dataclass(frozen=True)
class Walk:
    """Where redirects end: the last address that was requested, its answer, and its target, if that
    was not followed.
    """

    url: str
    answer: Fetched
    target: str = ""
    circle: bool = False


def is_own(url: str, host: str, prefix: str = "") -> bool:
    """Whether an address is one of this host, below a path."""
    try:
        parts = urlsplit(url)
        same = (
            parts.scheme in PORTS
            and parts.port in (None, *PORTS.values())
            and parts.hostname == urlsplit(f"//{host}").hostname
        )
    except ValueError:
        return False
    return same and f"{parts.path}/".startswith(f"{prefix}/")


def is_local(url: str) -> bool:
    """Whether an address is a loopback address, which every machine has for itself."""
    try:
        name = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return name in ("localhost", "::1", "0.0.0.0") or name.startswith("127.")


def path_of(url: str) -> str:
    """The path and the query of an address."""
    parts = urlsplit(url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def walk(
    get: Callable[[str, dict[str, str]], Fetched], url: str, follows: Callable[[str], str]
) -> Walk:
    """Follow redirects, with the cookies that are set on the way.

    Args:
        get: requests an address with further headers.
        url: where it begins.
        follows: returns for the target of a redirect the address to request, "" for none.
    """
    cookies: dict[str, str] = {}
    for _number in range(REDIRECTS + 1):
        answer = get(
            url,
            (
                {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
                if cookies
                else {}
            ),
        )
        for name, _equals, value in (
            cookie.partition(";")[0].partition("=") for cookie in answer.cookies[:FILES]
        ):
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
        self.module = ""  # the script of a build tool, which has its own option for the path
        self.inside = False
        self.own: list[str] = []  # the inline scripts and styles

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        words = {name: value or "" for name, value in attrs}
        self.inside = tag in ("script", "style")
        if tag == "script" and words.get("type") == "module":
            self.module = self.module or words.get("src", "").strip()
        if tag == "meta" and words.get("http-equiv", "").lower() == "refresh":
            words["href"], tag = (
                re.split("(?i)url=", words.get("content", "") + "url=")[1].strip("'\" "),
                "a",
            )
        for part in (
            words.get("srcset", "").split(", ")
            if tag in ("img", "source") and len(self.files) < NAMED
            else ()
        ):
            if (source := part.split()[:1]) and len(source[0]) <= LONGEST:
                self.files[source[0]] = None
        if tag == "base":
            self.base = self.base or words.get("href", "")
        for places, found in ((_LINKS, self.links), (_FILES, self.files)):
            address = words.get(places.get(tag, ""), "").strip()
            if tag == "link" and not _KINDS & set(words.get("rel", "").lower().split()):
                continue
            if (
                address
                and not address.startswith("#")
                and len(address) <= LONGEST
                and len(found) < NAMED
            ):
                found[address] = None

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.own.append(data)

    def read(self, text: str, until: float) -> None:
        """Parse piece by piece, so that no page takes longer than its time."""
        for start in range(0, min(len(text), PAGE_BYTES), PIECE):
            if time.monotonic() > until:
                return
            try:
                self.feed(text[start : start + PIECE])
            except (AssertionError, ValueError):  # text that the parser rejects ends the page
                return


def look(site: Site, work: Work, neighbours: Collection[str] = ()) -> list[str]:
    """What is wrong with the first page of a release that serves, as sentences.

    Args:
        site: that of the release.
        work: its path, and own_prefix, what to write where its links leave the path.
        neighbours: the paths of the other applications of the site, without their last slash.
    """
    try:
        return _Look(site, work, neighbours).sentences()
    except PROBLEMS:
        return []  # the health check decides about what does not answer


class _Look:
    def __init__(self, site: Site, work: Work, neighbours: Collection[str]) -> None:
        self.site, self.own_prefix, self.neighbours = site, work.own_prefix, neighbours
        self.path, self.host = work.app_path, site.host
        self.prefix = self.path.prefix
        self.first = site.heard(self.path.at_nginx("/"))
        self.asked, self.until = 0, 0.0

    def sentences(self) -> list[str]:
        until = time.monotonic() + PAGE_SECONDS
        found = walk(
            lambda url, headers: self._get(url, until, headers), self.first, self._followed
        )
        if found.circle:
            return [
                f"{_shown(path_of(self.first))} redirects to {_shown(path_of(found.url))}, and so"
                " on, in a circle."
            ]
        if found.target:
            return self._redirect(found)
        status = found.answer.status
        if status >= 500 or (
            found.url != self.first and status >= 400 and str(status) not in GUARDED
        ):
            return [f"{self._way(found)} answers {status}; its log may say why."]
        if status >= 400 or not found.answer.body:
            return []
        page = Page()
        page.read(found.answer.body, until)
        return self._page(
            page,
            _joined(found.url, page.base) if page.base else found.url,
            _shown(path_of(found.url)),
        )

    def _get(
        self,
        url: str,
        until: float,
        headers: dict[str, str] | None = None,
        size: int = PAGE_BYTES,
        kinds: str = "html",
    ) -> Fetched:
        if time.monotonic() > until:
            raise TimeoutError
        name = self.host if self.site.scheme != SCHEME else ""
        connection = Connection(until, self.site.port, name)
        try:
            return fetch(
                connection, path_of(url), {"Host": self.host, **(headers or {})}, size, kinds
            )
        finally:
            connection.close()

    def _followed(self, target: str) -> str:
        return (
            target
            if urlsplit(target).scheme == self.site.scheme
            and is_own(target, self.host, self.prefix)
            else ""
        )

    def _way(self, found: Walk) -> str:
        start, end = (_shown(path_of(url)) for url in (self.first, found.url))
        return start if start == end else f"{start} redirects to {end}, which"

    def _redirect(self, found: Walk) -> list[str]:
        """What is wrong with a redirect that was not followed. One to another host may be intended,
        such as a login there.
        """
        page, target = _shown(path_of(found.url)), _shown(found.target)
        if is_local(found.target) and not is_own(found.target, self.host):
            return [
                f"{page} redirects to {target}, which is another machine for each browser."
                f" {_ADDRESS}"
            ]
        if not is_own(found.target, self.host):
            return []
        if urlsplit(found.target).scheme != self.site.scheme and is_own(
            found.target, self.host, self.prefix
        ):
            if self.site.https_in_front:
                return []
            return [
                f"{page} redirects to {target}, and this host speaks http alone: let a proxy in"
                " front open TLS, and write its address in nginx_trusted_proxies, so that the"
                " application sees https."
            ]
        if self._of_neighbour(found.target):
            return []
        return [f"{page} redirects to {target}, out of its path {self.prefix}. {self._key()}"]

    def _of_neighbour(self, url: str) -> bool:
        return any(is_own(url, self.host, path) for path in self.neighbours)

    def _page(self, page: Page, base: str, name: str) -> list[str]:
        own = "".join(page.own)
        links = [
            url for url in (_joined(base, each) for each in page.links) if is_own(url, self.host)
        ]
        out = [url for url in links if self._leaves(url)]
        files = [_joined(base, each) for each in page.files]
        missing, texts = self._missing([url for url in files if is_own(url, self.host)])
        styled = [
            url
            for place, text in [(base, own), *texts.items()]
            for url in _addresses(_STYLED, text, place)
        ]
        styled = [url for url in dict.fromkeys(styled) if self._leaves(url) and url not in files]
        missing.update(self._missing(styled)[0])
        far = [url for url in missing if not is_own(url, self.host, self.prefix)]
        called = [
            url
            for text in (own, *texts.values())
            for url in _addresses(_CALLED, text, self.first)
            if self._leaves(url)
        ]
        words = []
        if 2 * len(out) > len(links) or far or called:
            if 2 * len(out) > len(links):
                count = f"{len(out)} of {len(links)} links of {name} lead out of its path"
            elif far:
                count = (
                    f"{len(far)} of {len(page.files) + len(styled)} files of {name} lead out of its"
                    " path"
                )
            else:
                count = f"{name} has scripts that call out of its path"
            examples = _listed([path_of(url) for url in dict.fromkeys([*far, *out, *called])])
            knows = any(
                each.startswith("/") and is_own(_joined(base, each), self.host, self.prefix)
                for each in page.files
            )
            words.append(
                f"{count} {self.prefix}: {examples}."
                f" {self._key_of(page, base, far, len(out) == len(links) > 1, knows)}"
            )
        sockets = urljoin(self.first, "/socket.io/")
        if self._leaves(sockets) and any(
            _SOCKET.search(_bare(text)) for text in (own, *texts.values())
        ):
            words.append(
                f"{name} has a script that opens Socket.IO at {path_of(sockets)}, out of its path"
                f" {self.prefix}. "
                f'Write its path there: io({{path: "{self.prefix}/socket.io/"}}).'
            )
        if local := [url for url in files if is_local(url) and not is_own(url, self.host)]:
            words.append(
                f"{name} asks for {_listed(local)}, which is another machine for each browser."
                " Where that is a server for development, have its files built: build_command;"
                " else let url_for make the addresses."
            )
        if near := [
            f"{path_of(url)} ({status})" for url, status in missing.items() if url not in far
        ]:
            words.append(
                f"{name} asks for missing files: {_listed(near)}. Write where the image has it,"
                " as static: [{url: /static, path: DIRECTORY}]; what a build step makes must"
                " be made with the image."
            )
        return words

    def _leaves(self, url: str) -> bool:
        return (
            is_own(url, self.host)
            and not is_own(url, self.host, self.prefix)
            and not self._of_neighbour(url)
        )

    def _missing(self, urls: list[str]) -> tuple[dict[str, int], dict[str, str]]:
        """The files that are missing, and the texts of those that exist; when the time is over, the
        rest is not requested.
        """
        found: dict[str, int] = {}
        texts: dict[str, str] = {}
        for url in dict.fromkeys(urls):
            if self.asked >= FILES:
                break
            self.asked += 1
            self.until = self.until or time.monotonic() + FILE_SECONDS
            try:
                answer = self._get(url, self.until, size=TEXT_BYTES, kinds=_TEXTS)
            except PROBLEMS:
                continue
            if answer.status >= 400 and str(answer.status) not in GUARDED:
                found[url] = answer.status
            elif answer.body and self.prefix:
                texts[url] = answer.body
        return found, texts

    def _key_of(self, page: Page, base: str, far: list[str], all_leave: bool, knows: bool) -> str:
        """What to write for a page that names addresses outside its path, by how it names them, and
        by whether the rest of the page knows the path.
        """
        key = self._key(knows)
        if key == self.own_prefix:
            return key
        if page.base and is_own(base, self.host) and not is_own(base, self.host, self.prefix):
            return (
                f'Its <base href> leads there; below this path it is <base href="{self.prefix}/">.'
            )
        if page.module and _joined(base, page.module) in far:
            return f"A build has an option for that, such as base: {self.prefix}/ of Vite. {key}"
        if all_leave and far and self.path.mapped and not self.path.stripped:
            return (
                "Where url_for makes them, something in it replaces SCRIPT_NAME, such as a"
                f" middleware for proxies. {key}"
            )
        return key

    def _key(self, knows: bool = False) -> str:
        """What to write for an application whose addresses leave its path; one that knows its path
        needs no setting for it.
        """
        if self.own_prefix and not knows:
            return self.own_prefix
        own = (
            "a separate site takes it as it is: nginx_sites, and in its entry site: NAME and"
            " path: /"
        )
        if not self.path.mapped and not knows:
            return (
                "One that does not know its path: write path_mode: script_name. Else put DOMAIN"
                f" before it, or {own}."
            )
        if self.path.stripped and not knows:
            setting = (
                f"env: {{SCRIPT_NAME: {self.prefix}}} where it is Gunicorn, else what honours"
                " X-Forwarded-Prefix, such as ProxyFix"
            )
            return (
                f"Its server must know the path: {setting}. Addresses that are written by hand need"
                f" url_for, or {own}."
            )
        return f"Addresses that are written by hand need url_for, or {own}."


_ADDRESS = (
    "Give it the address that browsers use, in its own setting for that (SERVER_NAME, BASE_URL), or"
    " let it write none: url_for."
)


def _addresses(pattern: re.Pattern[str], text: str, place: str) -> list[str]:
    """The addresses that a script or a style names."""
    return [_joined(place, each) for each in pattern.findall(_bare(text))[:NAMED]]


def _bare(text: str) -> str:
    """A script or a style without its comments."""
    first, *others = text.split("/*")
    bare = first + "".join(
        after if end else before for before, end, after in (part.partition("*/") for part in others)
    )
    return _COMMENT.sub("", bare)


def _shown(text: str) -> str:
    return shown_line(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")


def _listed(texts: list[str]) -> str:
    more = f" and {len(texts) - EXAMPLES} more" if len(texts) > EXAMPLES else ""
    return ", ".join(map(_shown, texts[:EXAMPLES])) + more
