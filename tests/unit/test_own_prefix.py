# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The setting for the path in a source, which the warning about links outside the path names."""

import pytest
from ansible_collections.flaskops.host.plugins.action import release_plan
from ansible_collections.flaskops.host.plugins.filter import flask_apps as filters
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import own_code, own_prefix
from ansible_collections.flaskops.host.plugins.module_utils.releases import restore
from ansible_collections.flaskops.host.plugins.module_utils.releases.release import Release
from entries import normalize_apps, typed

MIDDLEWARE = """
class Prefixed:
    def __call__(self, environ, start_response):
        if environ["PATH_INFO"].startswith(self.prefix):
            environ["PATH_INFO"] = environ["PATH_INFO"][len(self.prefix):]
        environ["SCRIPT_NAME"] = self.prefix
        return self.app(environ, start_response)
"""
TELLS = (
    'class P:\n    def __call__(self, environ, start):\n        environ["SCRIPT_NAME"] = {}\n      '
    "  return self.app(environ, start)\n"
)


@pytest.fixture
def advise(tmp_path):
    """The advice for an application with these modules."""

    def run(files, **keys):
        for name, text in {"requirements.txt": "flask\n", "app.py": "app = 1\n", **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        found = filters.normalize_apps(
            [{"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}]
        )
        assert found["problems"] == []
        return typed(own_prefix.setting)(found["apps"][0])

    return run


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('x = os.environ.get("SHOP_URL_PREFIX", "")', "env: {SHOP_URL_PREFIX: /shop}"),
        ('x = os.getenv("URL_PREFIX")', "env: {URL_PREFIX: /shop}"),
        ('x = env("APPLICATION_ROOT", "/")', "env: {APPLICATION_ROOT: /shop}"),
        (
            'x = app.config["APPLICATION_ROOT"]',
            "APPLICATION_ROOT = '/shop' in the file of settings that it reads (config_files)",
        ),
        (
            'x = current_app.config.get("URL_PREFIX")',
            "URL_PREFIX = '/shop' in the file of settings",
        ),
        ("x = settings.APP_BASE_PATH", "APP_BASE_PATH = '/shop' in the file of settings"),
        (
            'x = app.config["URL_PREFIX"]\nfor k in app.config:\n    app.config[k] = os.environ[k]',
            "env: {URL_PREFIX: /shop}",
        ),
    ],
)
def test_the_setting_is_named_with_its_line_and_the_key_to_write(advise, text, key):
    words = advise({"web/a.py": f"import os\n{text}\n"})
    assert (
        words.startswith("It has its own setting for its path (web/a.py, line 2): write ")
        and key in words
    )
    assert "path_mode" not in words


def test_a_header_is_set_by_nginx(advise):
    files = {"web/a.py": TELLS.format('environ.get("HTTP_X_SCRIPT_NAME", "")')}
    header = "proxy_set_header X-Script-Name /shop"
    assert (
        advise(files)
        == f"It takes its path from a header: write proxy: {{directives: [{header}]}}, and"
        " path_mode: script_name."
    )
    assert advise(files, path_mode="script_name").endswith(f"{{directives: [{header}]}}.")
    assert advise(files, path_mode="script_name", proxy={"directives": [header]}) == ""


def test_a_variable_takes_precedence_over_the_configuration_and_an_option_needs_a_command(advise):
    files = {
        "web/a.py": (
            'x = app.config["URL_PREFIX"]\nx ='
            ' os.environ["SHOP_URL_PREFIX"]\np.add_argument("--url-prefix", default="")\n'
        )
    }
    assert "env: {SHOP_URL_PREFIX: /shop}" in advise(files)
    files = {"web/a.py": 'parser.add_argument("-p", "--url-prefix", default="")\n'}
    assert advise(files) == ""
    keys = {"engine": "command", "port": 80}
    assert "write --url-prefix /shop in command" in advise(files, command="python web/a.py", **keys)
    assert advise(files, command="python web/a.py --url-prefix=/shop", **keys) == ""
    assert advise(files, command="python web/a.py --title it's --url-prefix /shop", **keys) == ""


@pytest.mark.parametrize(
    ("middleware", "now", "advised"),
    [
        (MIDDLEWARE, "script_name", "path_mode: domain"),
        (MIDDLEWARE, "domain", ""),
        (TELLS.format('app.config["URL_PREFIX"]'), "domain", "path_mode: script_name"),
        (TELLS.format('app.config["URL_PREFIX"]'), "script_name", ""),
        ("bp = 1\n", "script_name", "path_mode: domain"),
    ],
    ids=range(5),
)
def test_the_matching_path_mode_is_named(advise, middleware, now, advised):
    files = {"a.py": f'{middleware}\nx = app.config["URL_PREFIX"]\n'}
    words = advise(files, path_mode=now)
    assert ("path_mode" in words) == bool(advised) and advised in words
    config = [{"path": "/etc/shop.cfg", "content": "URL_PREFIX = '/shop'\n"}]
    wanted = (
        f"It has URL_PREFIX for its path, which goes with another path_mode: write {advised}."
        if advised
        else ""
    )
    assert advise(files, path_mode=now, config_files=config) == wanted


def test_a_single_configuration_file_is_named_and_a_wrong_value_does_not_count(advise):
    files = {"a.py": 'x = app.config["URL_PREFIX"]\n'}
    assert "in /etc/shop.cfg (config_files)" in advise(
        files, config_files=[{"path": "/etc/shop.cfg", "content": "URL_PREFIX = '/'\n"}]
    )
    assert advise({"a.py": 'x = os.environ["URL_PREFIX"]\n'}, env={"URL_PREFIX": "/shop/"}) == ""
    assert "env: {URL_PREFIX: /shop}" in advise(
        {"a.py": 'x = os.environ["URL_PREFIX"]\n'}, env={"URL_PREFIX": "/old"}
    )


def test_a_source_that_forces_the_path_is_reported(advise):
    words = advise({"a.py": TELLS.format('"/"')})
    assert (
        words
        == "Its source sets SCRIPT_NAME itself (a.py, line 3), over the one of its path: have it"
        " take /shop, or leave that out."
    )
    assert advise({"a.py": TELLS.format('environ.get("HTTP_X_FORWARDED_PREFIX", "")')}) == ""


@pytest.mark.parametrize(
    "text",
    [
        'x = os.environ["REDIS_PREFIX"]', 'x = os.environ["COOKIE_PREFIX"]',
        'x = app.config["CACHE_KEY_PREFIX"]', "x = sys.prefix",
        'bp = Blueprint("api", __name__, url_prefix="/api")', 'x = app.config["API_URL_PREFIX"]',
        'x = app.config["STATIC_URL_PREFIX"]', 'x = os.environ["BASE_PATH"]',
        'x = os.environ["BASE_URL"]', 'app.config["APPLICATION_ROOT"] = "/"',
        'x = environ["SCRIPT_NAME"]',
        'x = app.config["SHOP_URL_PREFIX"], app.config["WIKI_URL_PREFIX"]',
        '# os.environ["URL_PREFIX"]', "(" * 4000 + "URL_PREFIX",
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_other_settings_are_not_named(advise, text):
    assert advise({"a.py": f"import os\n{text}\n"}) == ""


def test_a_source_with_blueprints_only_is_not_read(tmp_path):
    (tmp_path / "a.py").write_text("bp = Blueprint('a', __name__, url_prefix='/a')\n")
    assert list(own_code.modules(str(tmp_path), own_prefix._WORDS)) == []
    (tmp_path / "b.py").write_text("x = config.URL_PREFIX\n")
    assert [file for file, *_rest in own_code.modules(str(tmp_path), own_prefix._WORDS)] == ["b.py"]


def test_at_the_root_and_without_a_source_no_setting_is_named(advise):
    assert advise({"a.py": 'x = os.environ["URL_PREFIX"]\n'}, path="/") == ""
    assert (
        typed(own_prefix.setting)(
            {"prefix": "/shop", "build": {"kind": "image"}, "path_mode": "domain"}
        )
        == ""
    )
    assert (
        typed(own_prefix.setting)(
            {
                "prefix": "/shop",
                "build": {"kind": "source"},
                "source": "/nowhere",
                "engine": "uwsgi",
            }
        )
        == ""
    )


SERVER = """
import argparse
from wsgiref.simple_server import make_server
parser = argparse.ArgumentParser()
parser.add_argument("--url-prefix")
if __name__ == "__main__":
    make_server("", 7000, None).serve_forever()
"""


def test_the_suggested_command_passes_the_path_to_the_program(tmp_path):
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "depot.py").write_text(SERVER)
    (words,) = filters.normalize_apps([{"name": "shop", "source": str(tmp_path), "path": "/shop"}])[
        "problems"
    ]
    assert (
        "engine: command, command: python3 depot.py" in words
        and "write --url-prefix /shop in command" in words
    )


def test_the_plan_has_the_setting_for_an_entry_and_not_for_an_older_release(tmp_path):
    (tmp_path / "app.py").write_text('import os\nx = os.environ["URL_PREFIX"]\napp = 1\n')
    (tmp_path / "requirements.txt").write_text("flask\n")
    (entry,), problems = normalize_apps(
        [{"name": "shop", "source": str(tmp_path), "path": "/shop"}]
    )
    assert problems == []
    assert "URL_PREFIX" in release_plan._own_prefix(entry)
    release = Release.from_dict({**entry, "id": "0123456789ab"})
    assert release_plan._own_prefix(restore.for_tasks(release)["app"]) == ""
