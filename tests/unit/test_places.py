# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The paths on a host, and that no other file contains them."""

import ast
import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.module_utils.host import places
from ansible_collections.flaskops.host.plugins.module_utils.host.places import NginxPlace, Place

TOP = Path(__file__).resolve().parents[2]
APP = Place("/srv/x").app("shop")
RELEASE = APP.release("0123456789ab")


@pytest.mark.parametrize(
    ("place", "wanted"),
    [
        (Place("/srv/x").trash, "apps/.trash"),
        (Place("/srv/x").uids, "uids.json"),
        (Place("/srv/x").build("shop", "0123456789ab"), "build/shop-0123456789ab"),
        (APP.lock, "apps/shop/lock"),
        (APP.record, "apps/shop/state.json"),
        (APP.audit, "apps/shop/audit.jsonl"),
        (APP.before, "apps/shop/before"),
        (RELEASE.directory, "apps/shop/releases/0123456789ab"),
        (RELEASE.socket, "apps/shop/releases/0123456789ab/run/app.sock"),
        (RELEASE.spool, "apps/shop/releases/0123456789ab/spool"),
        (RELEASE.secrets, "apps/shop/releases/0123456789ab/secrets"),
        (RELEASE.record, "apps/shop/releases/0123456789ab/release.json"),
        (RELEASE.context, "apps/shop/releases/0123456789ab/context.tar"),
    ],
)
def test_files_of_an_older_version_are_found(place, wanted):
    assert str(place) == f"/srv/x/{wanted}"


def test_the_paths_of_nginx_links_and_of_the_socket_in_a_container():
    assert (
        str(NginxPlace("/etc/nginx").link("default", "shop"))
        == "/etc/nginx/flaskops/default/shop.conf"
    )
    assert places.container_socket("0123456789ab") == "/run/flaskops/0123456789ab/app.sock"


def test_the_trash_is_not_an_application(tmp_path):
    for name in ("shop", ".trash"):
        (Place(tmp_path).apps / name).mkdir(parents=True)
    assert [app.directory.name for app in Place(tmp_path).all_apps()] == ["shop"]


def test_builds_of_applications_with_a_common_prefix_are_distinguished(tmp_path):
    for name in ("shop-0123456789ab", "shop-api-0123456789ab", "runtime"):
        (Place(tmp_path).builds / name).mkdir(parents=True)
    assert [path.name for path in Place(tmp_path).builds_of("shop")] == ["shop-0123456789ab"]


def test_the_default_of_the_role_is_the_path_in_places():
    defaults = yaml.safe_load((TOP / "roles/flask_apps/defaults/main.yml").read_text())
    assert defaults["flask_apps_root"] == places.ROOT


@pytest.mark.parametrize("file", ["relay.py", "runtime/entrypoint.py"])
def test_programs_in_a_container_read_their_secrets_from_that_path(file):
    text = (TOP / "roles/flask_apps/files" / file).read_text()
    assert re.findall(r'^SECRETS = .*"(/.+)"', text, re.MULTILINE) == [places.CONTAINER_SECRETS]


# The names on a host that only places.py may contain, as any part of a path.
NAMES = r"app\.sock|stats\.sock|audit\.jsonl|uids\.json|state\.json|release\.json|docker\.json"
NAMES += (
    r"|\.trash|secrets\.own|container\.env|context\.(?:tar|json)|image\.tar|runtime(?:-image)?\.tar"
)
PATH = re.compile(
    rf"(?:^|/)(?:{NAMES})$|/releases/|/run/flaskops|/run/secrets"
    rf"|{places.ROOT}|{places.NGINX_BACKUPS}|{places.HOST_PROGRAMS}|{places.KEPT_LOGS}|^route-$"
)
# Names that count only when they are joined to a path.
JOINED = re.compile(
    rf"^(?:{NAMES}|apps|releases|spool|secrets|lock|before|flaskops(?:/.*)?|run(?:/.*)?)$"
)
JOINS = {"Path", "PurePosixPath", "joinpath", "glob", "rglob", "with_name"}
# In YAML and in templates: a directory of the collection followed by more.
WRITTEN = re.compile(
    rf"{places.ROOT}|{places.HOST_PROGRAMS}|/var/backups/flaskops|/run/flaskops|/run/secrets|app\.sock\b|/releases/"
    r"|(?:root|(?<!data_)directory|before)\s*(?:\}\}/|~ *'/)"
)
KINDS = (".py", ".yml", ".j2", ".sh", ".conf")
# The default itself; the guard, which /bin/sh runs before Nginx; the files of the runtime, which
# are in an image; clones, which are on the controller.
ALLOWED = (
    "roles/flask_apps/defaults/",
    "roles/flask_apps/meta/",
    "roles/nginx/files/boot-guard",
    "roles/flask_apps/files/",
)
ALLOWED += ("plugins/module_utils/apps/sources/git.py",)
OURS = "module_utils/releases/"  # a room of this collection


def texts(tree):
    """The strings of a Python file that are not prose, each with whether it is joined to a path."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    joined = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in (
            "DOCUMENTATION",
            "EXAMPLES",
            "RETURN",
        ):
            prose.add(id(node.value))
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            joined.update((id(node.left), id(node.right)))
        if (
            isinstance(node, ast.Call)
            and (getattr(node.func, "id", "") or getattr(node.func, "attr", "")) in JOINS
        ):
            joined.update(id(argument) for argument in node.args)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value, id(node) in joined


def by_hand(name, text):
    """The paths that a file contains."""
    if name.endswith(".py"):
        found = [
            (line, word)
            for line, word, joined in texts(ast.parse(text))
            if PATH.search(word) or (joined and JOINED.match(word))
        ]
        return [f"{name}:{line}: {word}" for line, word in found if " " not in word]
    lines = [
        (number, line)
        for number, line in enumerate(text.splitlines(), 1)
        if not line.lstrip().startswith("#")
    ]
    return [f"{name}:{number}: {line.strip()}" for number, line in lines if WRITTEN.search(line)]


def test_no_other_file_contains_a_path_of_a_host():
    files = [
        path
        for top in ("plugins", "roles")
        for path in (TOP / top).rglob("*")
        if path.suffix in KINDS
    ]
    texts = {str(path.relative_to(TOP)): path.read_text() for path in files}
    del texts[str(Path(places.__file__).resolve().relative_to(TOP))]
    found = [
        line
        for name, text in texts.items()
        if not name.startswith(ALLOWED)
        for line in by_hand(name, text.replace(OURS, ""))
    ]
    assert sorted(found) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.py", 'Path(root, "apps", name)'),
        ("a.py", 'directory / "spool"'),
        ("a.py", 'f"{root}/apps/{name}/releases/{release}"'),
        ("a.py", 'f"{directory}/run/app.sock"'),
        ("a.py", 'ROOT = {"default": "/var/lib/flaskops"}'),
        ("a.py", 'Path(nginx_root, "flaskops").glob("*/*.conf")'),
        ("a.yml", 'socket: "{{ release.directory }}/run/app.sock"'),
        ("a.yml", 'path: "{{ flask_apps_root }}/build/runtime"'),
        ("a.yml", "path: /usr/local/lib/flaskops"),
        ("a.j2", "alias {{ directory }}/release.txt;"),
        ("a.j2", "{{ serve(directory ~ '/static') }}"),
    ],
)
def test_the_search_finds_a_path(name, text):
    assert len(by_hand(name, text)) >= 1


@pytest.mark.parametrize(
    "text",
    [
        '"""Raised without release.json."""',
        'params["releases"]',
        'problem("its release.json is broken")',
    ],
)
def test_the_search_ignores_other_words(text):
    assert by_hand("a.py", text) == []
