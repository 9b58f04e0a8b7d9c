# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later
"""What the tests of sites share: plays run on the first host unless a test needs all of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
import testinfra

PREFIX = os.environ.get("FLASKOPS_TEST_PREFIX", "flaskops") + "-sites"
INVENTORY = os.environ.get("MOLECULE_INVENTORY_FILE", "")
ROOT = "/etc/authority/ca.pem"
AUTHORITY = {
    "nginx_acme_directory": "https://localhost:14000/dir",
    "nginx_acme_ca_bundle": ROOT,
    "nginx_acme_email": "ops@example.org",
}
NOTES: list[str] = []


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if NOTES:
        terminalreporter.section("what was measured")
    for line in NOTES:
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def note() -> Callable[[str], None]:
    """Show a line at the end."""
    return NOTES.append


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first certificates come first, and the attacks last, which need other sites."""
    order = ["test_sites.py", "", "test_attacks.py"]
    items.sort(key=lambda item: order.index(item.path.name if item.path.name in order else ""))


@pytest.fixture(scope="session")
def start(start: Callable[..., Any]) -> Callable[..., Any]:
    def run(*words: Any, arguments: tuple[str, ...] = (), **variables: Any) -> Any:
        chosen = arguments if "--limit" in arguments else ("--limit", PREFIX, *arguments)
        return start(*words, arguments=chosen, **variables)

    return run


@pytest.fixture(scope="session")
def others() -> list[Any]:
    """Debian 13 and Ubuntu."""
    return [
        testinfra.get_host(f"ansible://{PREFIX}-{name}?ansible_inventory={INVENTORY}")
        for name in ("trixie", "ubuntu")
    ]


@pytest.fixture(scope="session")
def site(play: Callable[..., Any]) -> Callable[..., Any]:
    """Run site.yml with these sites, and the applications that are listed."""

    def run(*sites: dict[str, Any], apps: Any, **variables: Any) -> Any:
        return play("site", list(apps), nginx_sites=list(sites), **{**AUTHORITY, **variables})

    return run


@pytest.fixture
def curl(host: Any) -> Callable[..., str]:
    """The status line and the headers of one request; trusts only the test authority, with the
    roots that it had since its host exists.
    """

    def ask(url: str, *words: str, machine: Any = host) -> str:
        roots = "/root/roots.pem"
        machine.run(
            f"curl -sS --max-time 20 --cacert {ROOT} https://localhost:15000/roots/0 >> {roots}"
        )
        done = machine.run(
            f"curl -sS --max-time 20 --cacert {roots} -o /dev/null -D - {' '.join(words)} '{url}'"
        )
        return str(done.stdout.replace("\r", "") + done.stderr)

    return ask


@pytest.fixture
def authority(host: Any) -> Callable[[str], None]:
    """Stop or start the authority. When it starts, it has forgotten all accounts."""

    def change(action: str) -> None:
        host.check_output("systemctl %s authority", action)
        if action != "stop":
            host.check_output(
                f"curl -sS --retry 40 --retry-delay 1 --retry-connrefused --cacert {ROOT}"
                " https://localhost:14000/dir"
            )

    return change


@pytest.fixture
def https(site: Callable[..., Any], curl: Callable[..., str]) -> None:
    """The site www with its certificate, and its application."""
    from test_sites import SHOP, STORE, WWW

    if "200" not in curl("https://shop.example.org/store/").split("\n")[0]:
        site(WWW, apps=[SHOP, STORE]).ok()
