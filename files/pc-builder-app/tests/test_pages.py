"""Every page, link, form, redirect and static file, with and without the prefix."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest
from app import app_bp, catalogue, create_app
from conftest import PREFIX, ROOT

PAGES = ["/", "/main", "/table", "/order"]
BUILD = {"cpu": "cpu-kestrel-5g", "motherboard": "board-slate-pro"}
ORDER = {
    **BUILD,
    "name": "Night Owl",
    "email": "ada@example.org",
    "quantity": "2",
    "delivery": "parcel",
}


class Page(HTMLParser):
    """All addresses of a page, and everything that a strict Content-Security-Policy refuses."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.refused: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("href", "src", "action", "srcset", "formaction", "poster"):
                self.addresses.append(value)
            if name.startswith("on") or name == "style":
                self.refused.append(f"<{tag} {name}>")


def crawl(client, start: str) -> dict[str, list[str]]:
    """Follow every address from `start` on; return the addresses of each page by its address."""
    found: dict[str, list[str]] = {}
    queue = [start]
    while queue:
        address = queue.pop()
        answer = client.get(address)
        assert answer.status_code == 200, f"{address}: {answer.status}"
        found[address] = []
        if answer.mimetype == "text/html":
            page = Page(answer.text)
            assert page.refused == []
            found[address] = page.addresses
            for link in page.addresses:
                target = urlsplit(urljoin(address, link))._replace(fragment="").geturl()
                if target not in found and target not in queue:
                    queue.append(target)
    return found


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers(client, prefix, path):
    answer = client.get(prefix + path)
    assert answer.status_code == 200
    assert f"<dd>{prefix}/</dd>" in answer.text


def test_every_address_of_every_page_works_and_keeps_the_prefix(client, prefix):
    found = crawl(client, prefix + "/")
    assert len(found) > 70
    addresses = {link for links in found.values() for link in links}
    strays = {a for a in addresses if not a.startswith((prefix + "/", "#")) or a.startswith("//")}
    assert strays == set()


def test_scripts_and_styles_contain_no_absolute_address():
    for path in ROOT.glob("static/**/*.*"):
        if path.suffix in (".css", ".js"):
            text = path.read_text(encoding="utf-8")
            assert "url(" not in text and "@import" not in text, path.name
            for address in re.findall(r"""["'`](/[a-z]\S*)["'`]""", text):
                assert f'appDomain + "{address}' in text, (
                    f"{path.name}: {address} without appDomain"
                )
            assert "://" not in text.replace('"wss://" : "ws://"', ""), path.name


def test_static_files_are_the_directory_itself(client, prefix):
    for path in ROOT.glob("static/**/*.*"):
        answer = client.get(f"{prefix}/{path.relative_to(ROOT)}")
        assert answer.status_code == 200
        assert answer.data == path.read_bytes()


def test_nothing_answers_outside_the_prefix():
    client = create_app({"ENV": "PROD", "DOMAIN": PREFIX}).test_client()
    for path in ("/", "/main", "/health", "/static/css/base.css", PREFIX + "2", PREFIX + "2/main"):
        answer = client.get(path)
        assert answer.status_code == 404, path
        assert f'href="{PREFIX}/"' in answer.text


def test_the_prefix_without_a_slash_redirects_to_the_start():
    answer = create_app({"ENV": "PROD", "DOMAIN": PREFIX}).test_client().get(PREFIX)
    assert answer.status_code == 308
    assert urlsplit(answer.location).path == PREFIX + "/"


def test_a_script_root_of_the_server_is_kept_too():
    client = create_app({}).test_client()
    answer = client.get("/main", base_url="http://localhost/shop")
    assert 'appDomain = "/shop"' in answer.text
    assert all(link.startswith(("/shop/", "#")) for link in Page(answer.text).addresses)


def test_the_page_passes_the_prefix_to_scripts(client, prefix):
    assert f'var appDomain = "{prefix}";' in client.get(prefix + "/").text


def test_only_the_nonce_of_the_answer_lets_an_inline_script_run(client, prefix):
    first, second = client.get(prefix + "/"), client.get(prefix + "/")
    nonce = re.search(r'<script nonce="([^"]+)">', first.text).group(1)
    assert f"'nonce-{nonce}'" in first.headers["Content-Security-Policy"]
    assert nonce not in second.text


def test_an_order_is_placed_by_post_redirect_get_and_needs_no_cookie(client, prefix):
    form = client.get(prefix + "/order", query_string=BUILD)
    assert f'action="{prefix}/order" method="post"' in form.text

    placed = client.post(prefix + "/order", data=ORDER)
    assert placed.status_code == 303
    assert placed.location.startswith(prefix + "/order/")

    other_process = create_app({"ENV": "PROD", "DOMAIN": prefix} if prefix else {}).test_client()
    page = other_process.get(placed.location)
    assert page.status_code == 200
    assert "Night Owl" in page.text and "Slate Pro" in page.text
    # The message is in a cookie that this client does not have.
    assert "Thank you" not in page.text
    assert "Thank you" in client.get(placed.location).text


def test_a_session_cookie_stays_under_the_prefix(client, prefix):
    cookie = client.post(prefix + "/order", data=ORDER).headers["Set-Cookie"]
    assert f"Path={prefix or '/'}" in cookie
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie


def test_a_refused_order_reports_all_errors_and_keeps_the_input(client, prefix):
    answer = client.post(
        prefix + "/order", data={**ORDER, "email": "ada<at>example", "quantity": "0", "name": ""}
    )
    assert answer.status_code == 422
    for sentence in ("Give your build a name", "Write an e-mail address", "Order between 1 and 20"):
        assert sentence in answer.text
    assert 'value="ada&lt;at&gt;example"' in answer.text


def test_an_unknown_order_is_not_found(client, prefix):
    answer = client.get(prefix + "/order/nonsense")
    assert answer.status_code == 404
    assert "no order with this number" in answer.text


def test_a_link_opens_the_builder_with_its_parts(client, prefix):
    page = client.get(prefix + "/main", query_string=BUILD).text
    assert re.search(r'value="cpu-kestrel-5g"[^>]* checked', page)
    assert "no processor called “toaster”" in client.get(prefix + "/main?cpu=toaster").text


def test_the_table_filters_without_javascript(client, prefix):
    page = client.get(prefix + "/table?category=cpu&q=am5").text
    assert page.count('<tr data-category="cpu">') == 4
    assert page.count("<tr data-category=") == 4
    assert "No part matches" in client.get(prefix + "/table?q=toaster").text
    assert client.get(prefix + "/table").text.count("<tr data-category=") == len(
        catalogue.components
    )


def test_routes_and_files_belong_to_the_blueprint(client):
    assert {rule.endpoint.split(".")[0] for rule in client.application.url_map.iter_rules()} == {
        app_bp.name
    }
