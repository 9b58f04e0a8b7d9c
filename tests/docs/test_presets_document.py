# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""docs/presets.md lists every setting of the presets, and only existing keys."""

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.module_utils.apps.schema import OPTIONS
from ansible_collections.flaskops.host.plugins.module_utils.releases.replaced import (
    READ,
    UWSGI,
    VARIABLES,
    VARIABLES_OF_PRESETS,
    variable,
)

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/presets.md").read_text()
SETTINGS = [
    "UWSGI_INI",
    "UWSGI_CHEAPER",
    "UWSGI_PROCESSES",
    "NGINX_MAX_UPLOAD",
    "NGINX_WORKER_PROCESSES",
    "NGINX_WORKER_CONNECTIONS",
    "NGINX_WORKER_OPEN_FILES",
    "LISTEN_PORT",
    "STATIC_PATH",
    "STATIC_URL",
    "STATIC_INDEX",
    "MODULE_NAME",
    "VARIABLE_NAME",
    "APP_MODULE",
    "GUNICORN_CONF",
    "WORKERS_PER_CORE",
    "WEB_CONCURRENCY",
    "HOST",
    "PORT",
    "BIND",
    "LOG_LEVEL",
    "DOMAIN",
    "ENV",
]


def names(options, prefix=""):
    """Every key of an entry, as the document writes it."""
    for name, option in options.items():
        yield f"{prefix}{name}"
        if option.options:
            yield from names(
                option.options, f"{prefix}{name}{'[]' if option.kind == 'list' else ''}."
            )


def variables():
    """Every variable of the three roles."""
    for role in ("docker", "nginx", "flask_apps"):
        yield from yaml.safe_load((ROOT / f"roles/{role}/meta/argument_specs.yml").read_text())[
            "argument_specs"
        ]["main"]["options"]


def rows():
    """The cells of each table row, without headers."""
    for line in TEXT.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4 and cells[0] not in ("setting", "---"):
            yield cells


@pytest.mark.parametrize("setting", SETTINGS)
def test_every_setting_has_its_line(setting):
    assert any(re.search(rf"`{setting}(=\w+)?`", cells[0]) for cells in rows())


@pytest.mark.parametrize("name", [*READ, *VARIABLES, *VARIABLES_OF_PRESETS])
def test_the_document_and_the_notes_name_the_same_keys(name):
    (keys,) = (cells[2] for cells in rows() if f"`{name}`" in cells[0])
    assert [key for key in re.findall(r"`([^`]+)`", keys) if key not in variable(name)] == []


@pytest.mark.parametrize("option", [option for option, key in UWSGI.items() if key])
def test_the_document_names_the_key_of_an_option_that_the_role_decides(option):
    found = [cells[2] for cells in rows() if f"`{option}`" in cells[0]]
    assert [keys for keys in found if f"`{UWSGI[option].partition(':')[0]}`" not in keys] == []


def test_every_documented_key_exists():
    known = {*names(OPTIONS), *variables()}
    keys = [key for cells in rows() for key in re.findall(r"`([^`]+)`", cells[2])]
    assert len(keys) > 40
    assert [key for key in keys if key not in known] == []


def test_a_setting_that_has_no_effect_names_its_key():
    """Except settings that need no replacement here."""
    without = {"`plugins`", "`socket`, `chown-socket`, `chmod-socket`", "`socket = ./uwsgi.sock`"}
    assert [
        cells[0]
        for cells in rows()
        if cells[1] == "no" and not cells[2] and cells[0] not in without
    ] == []
