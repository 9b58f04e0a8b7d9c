# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Any YAML value in any key is accepted or answered with a message, and never ends in a traceback.

Each case depends only on its number, so that a failure can be reproduced: case(NUMBER).
"""

import copy
import datetime
import os
import random
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar
from ansible_collections.flaskops.host.plugins.filter import flask_apps as filters
from ansible_collections.flaskops.host.plugins.filter.nginx import nginx_plan
from ansible_collections.flaskops.host.plugins.module_utils.apps.schema import OPTIONS
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import git as _git
from ansible_collections.flaskops.host.plugins.module_utils.inputs.options import Option
from ansible_collections.flaskops.host.plugins.module_utils.releases import restore
from test_docker import BARE as DOCKER_FACTS
from test_docker import INPUTS as DOCKER_INPUTS
from test_docker import plan as docker_plan
from test_nginx_plan import BARE as NGINX_FACTS
from test_nginx_plan import INPUTS as NGINX_INPUTS

ROLE = Path(__file__).resolve().parents[2] / "roles/flask_apps"
# The number of cases of applications, of inputs of the roles and of git; and of rendered ones.
APPS, ROLES, GIT, RENDERED = (
    (3500, 2000, 500, 60) if os.environ.get("FLASKOPS_TEST_ALL") else (1300, 600, 200, 30)
)
SECRET = "hunter2"
LEAVES = [
    None, True, False, 0, 1, -1, 2**63, 10**300, -(16**6000), 0.0, -0.0, 1.5, 1e308, float("inf"),
    float("-inf"), float("nan"), "", " ", "0", "-1", "1e9", "9" * 5000, "0x10", "١٢", "yes", "null",
    "a", "shop", "/shop", "/shop/", "//", "/../x", "../../etc/passwd", "~", "~root", "~nobody\0",
    "~/x", "/dev/zero", "/dev/stdin", "/proc/self/mem", "/" + "a" * 300, "/a" * 3000, "a" * 100_000,
    "a\nb", "a\rb", "a\0b", "\x1b[31mred\x1b[0m", "\u202eabc", "größe", "\ud800", "\U0001f600",
    "{{ 1 }}", "{% raw %}", "; }", "$(id)", "`id`", "'", '"', "\\", "%s%n", "a b", "@",
    "https://user:word@host/x", "user@host:x", "2xx", "auto", "512m", "127.0.0.1:80", "main:app",
    "create_app(" + "(" * 5000, "create_app(" + "-" * 50_000 + "1)", "app()" * 50, "C:\\x", "*",
    "**", "[", "domain", "present", "absent", "gunicorn", "command", "uwsgi", "static", "bridge",
    "data:/data", "/data:/data:ro", "pip", "python:3", "a.tar", "x.tar.gz", b"bytes", b"\xff\xfe",
    datetime.date(2026, 1, 1), datetime.datetime(2026, 1, 1, 10, tzinfo=datetime.UTC), {1, 2},
    frozenset("a"), (1, 2), complex(1, 2), object(), range(3),
]  # fmt: skip
KEYS = [
    "a",
    "",
    "name",
    0,
    1.5,
    True,
    None,
    (1, 2),
    datetime.date(2026, 1, 1),
    b"k",
    "\ud800",
    "a\nb",
    "x" * 5000,
    10**5000,
    "A",
    "PATH",
]
UNKNOWN = [key for key in KEYS if key != "name"]  # messages show names


def circle(chance):
    """What a YAML alias that refers to itself gives."""
    round_list, round_dict = [], {}
    round_list.append(round_list)
    round_dict.update(a=round_dict, env=round_dict, name=round_list, proxy=round_dict)
    return chance.choice([round_list, round_dict])


def deep(chance):
    value = "x"
    for _ in range(chance.choice([50, 3000])):
        value = [value] if chance.random() < 0.5 else {"a": value}
    return value


def odd(chance, depth=0):
    """A value of any kind."""
    kind = chance.random()
    if kind < 0.6 or depth > 2:
        return chance.choice(LEAVES)
    if kind < 0.75:
        return [odd(chance, depth + 1) for _ in range(chance.randrange(4))]
    if kind < 0.95:
        return {chance.choice(KEYS): odd(chance, depth + 1) for _ in range(chance.randrange(4))}
    return circle(chance) if kind < 0.975 else deep(chance)


def secret(chance):
    """The same with a secret that no message may show."""
    value = chance.choice(
        [
            f"a\n{SECRET}",
            f"{SECRET} ",
            [SECRET],
            {"x": SECRET},
            {"A": [SECRET]},
            f"\0{SECRET}",
            {"A": {"B": SECRET}},
        ]
    )
    return chance.choice(
        [value, {"A": value}, [{"A": value}], {f"A={SECRET}": 1}, {f"A B {SECRET}": None}]
    )


def fitting(chance, option: Option, source, depth=0):
    """A value for an option that may be valid, or that contains an odd value."""
    if option.secret and chance.random() < 0.5:
        return secret(chance)
    if chance.random() < 0.15:
        return odd(chance)
    if option.options is not None:
        entry = {
            key: fitting(chance, below, source, depth + 1)
            for key, below in option.options.items()
            if chance.random() < 0.3
        }
        if chance.random() < 0.1:
            entry[chance.choice(UNKNOWN)] = secret(chance)
        return [entry, entry][: chance.randrange(3)] if option.kind == "list" else entry
    if option.kind == "list":
        return [
            fitting(chance, option.elements or Option(), source) for _ in range(chance.randrange(3))
        ]
    if option.kind == "dict":
        return {
            chance.choice(KEYS): fitting(chance, option.elements or Option(), source)
            for _ in range(chance.randrange(3))
        }
    if option.choices and chance.random() < 0.8:
        return chance.choice(option.choices)
    if option.kind == "bool":
        return chance.choice([True, False, "yes", 0])
    if option.kind in ("int", "float"):
        return chance.choice([0, 1, 2, 5, 30, "7", 0.5, 100])
    return (
        option.default
        if option.default is not None and chance.random() < 0.7
        else chance.choice(LEAVES)
    )


def entry(chance, source):
    """An entry of flask_apps that is valid except for some keys."""
    app = {"name": "shop", "source": str(source), "path": "/shop"}
    for key, option in chance.sample(sorted(OPTIONS.items()), chance.choice([1, 1, 2, 3, 5])):
        app[key] = fitting(chance, option, source)
    if chance.random() < 0.2:
        app[chance.choice(UNKNOWN)] = secret(chance)
    if chance.random() < 0.2:
        del app[chance.choice(list(app))]
    return app


def case(number, source):
    """The arguments of normalize_apps."""
    chance = random.Random(number)
    apps = [entry(chance, source) for _ in range(chance.choice([1, 1, 1, 2, 3]))]
    if chance.random() < 0.1:
        apps[chance.randrange(len(apps))] = odd(chance)
    if chance.random() < 0.03:
        apps = odd(chance)
    defaults = chance.choice(
        [None, {}, entry(chance, source), {"env": apps, "uwsgi": odd(chance)}, odd(chance)]
    )
    context = {"defaults": defaults, "source_root": str(source.parent)}
    for key in ("root", "uids", "free_space", "base_refresh", "runtime_image", "source_root"):
        if chance.random() < 0.02:
            context[key] = odd(chance)
    return apps, context


@pytest.fixture
def source(tmp_path):
    place = tmp_path / "shop"
    place.mkdir()
    (place / "app.py").write_text("app = 1\n")
    (place / "requirements.txt").write_text("flask\n")
    (place / "Dockerfile").write_text("FROM tiangolo/uwsgi-nginx-flask\nENV A=b\nCOPY . /app\n")
    return place


def check_words(messages):
    for message in messages:
        assert isinstance(message, str) and message.strip()
        message.encode()
        assert len(message) < 20_000
        assert SECRET not in message


def test_any_value_in_any_key_of_an_application(source, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(_git, "_checkout", lambda git, run: {"problem": "not asked."})
    known = {"ansible_managed": "Ansible managed", "ansible_search_path": [str(ROLE)]}
    loader = DataLoader()
    lookup = lookup_loader.get(
        "flaskops.host.releases", loader=loader, templar=Templar(loader, variables=known)
    )
    options = {
        "templates": str(ROLE / "templates"),
        "key_file": str(tmp_path / "key"),
        "root": "/var/lib/flaskops",
    }
    refused = rendered = 0
    for number in range(APPS):
        apps, context = case(number, source)
        try:
            result = filters.normalize_apps(apps, **context)
            check_words([*result["problems"], *result["notes"]])
            restore.registry_login(apps, "shop", context["defaults"])
        except Exception as error:
            error.add_note(f"case({number}, source)")
            raise
        refused += bool(result["problems"])
        sound = [app for app in result["apps"] if app["state"] != "absent"]
        if not result["problems"] and sound and rendered < RENDERED:
            rendered += 1
            try:
                runtimes = dict.fromkeys(
                    [app["build"]["base"] for app in sound], "flaskops/runtime:0123456789ab"
                )
                assert lookup.run([sound], variables=known, runtimes=runtimes, **options)
            except AnsibleError as error:  # a template of the user may contain anything
                assert any(
                    app["proxy"]["fragment"] or app["maintenance"]["page"] for app in sound
                ), (number, error)
    with capsys.disabled():
        print(
            f"\n-- fuzz: {APPS} cases of applications, {refused} refused, {rendered} of the rest"
            " rendered"
        )
    assert refused > APPS / 4 and rendered == RENDERED


def test_any_value_in_any_input_of_the_roles(capsys):
    refused = 0
    for number in range(ROLES):
        chance = random.Random(number)
        nginx, docker = copy.deepcopy(NGINX_INPUTS), copy.deepcopy(DOCKER_INPUTS)
        for inputs in (nginx, docker):
            for key in chance.sample(sorted(inputs), 2):
                # The roles pass these through the filter bool, and the distribution is a fact.
                if isinstance(inputs[key], bool) or key.startswith("distribution"):
                    continue
                inputs[key] = odd(chance)
                if chance.random() < 0.3:
                    inputs[key] = [
                        {chance.choice(["name", "server_names", "http_port", *KEYS]): odd(chance)},
                        odd(chance),
                    ]
        if chance.random() < 0.5:
            docker["daemon_options"] = {
                chance.choice(["hosts", "group", "log-opts", "log-driver", *KEYS]): odd(chance)
            }
        try:
            for result in (
                nginx_plan(nginx),
                nginx_plan(nginx, copy.deepcopy(NGINX_FACTS)),
                docker_plan(copy.deepcopy(DOCKER_FACTS), **docker),
            ):
                check_words(result["problems"])
                refused += bool(result["problems"])
        except Exception as error:
            error.add_note(f"case {number}")
            raise
    with capsys.disabled():
        print(f"\n-- fuzz: {ROLES} cases of the inputs of the roles, {refused} plans refused")


def test_any_value_in_git(source, monkeypatch, capsys):
    """No repository is contacted here."""
    monkeypatch.setattr(_git, "_checkout", lambda git, run: {"problem": "not asked."})
    for number in range(GIT):
        apps, context = case(number, source)
        if isinstance(apps, list) and apps and isinstance(apps[0], dict):
            apps[0].pop("source", None)
            apps[0]["git"] = fitting(random.Random(number), OPTIONS["git"], source)
        check_words(filters.normalize_apps(apps, **context)["problems"])
    with capsys.disabled():
        print(f"\n-- fuzz: {GIT} cases of git")
