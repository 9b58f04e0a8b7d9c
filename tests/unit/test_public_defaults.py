# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The warning about a secret that an application takes from its source."""

import time
from pathlib import Path

import pytest
import yaml
from ansible_collections.flaskops.host.plugins.filter import flask_apps as filters
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import (
    own_code,
    public_defaults,
)
from entries import typed

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def warned(tmp_path, monkeypatch):
    """The warnings for an application with these modules."""
    warnings = []
    monkeypatch.setattr(
        filters, "Display", lambda: type("", (), {"warning": staticmethod(warnings.append)})
    )
    (tmp_path / "requirements.txt").write_text("flask\n")
    (tmp_path / "app.py").write_text("import os\napp = 1\n")

    def run(files=None, warn=True, **keys):
        for name, text in (files or {}).items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text if isinstance(text, bytes) else text.encode())
        entry = {"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}
        found = filters.normalize_apps([entry], warn=warn)
        assert found["problems"] == []
        return warnings

    return run


def test_the_warning_names_the_line_and_what_to_write(warned):
    (words,) = warned(
        {"config.py": 'import os\n\nSECRET_KEY = os.environ.get("SECRET_KEY", "hunter2")\n'}
    )
    assert (
        words
        == "shop: the source has a public default for SECRET_KEY (config.py, line 3), and the entry"
        " gives no other. Write secrets: {SECRET_KEY: …}, with a value that only you know, or"
        " env: {SECRET_KEY: …} if the default is not a secret."
    )


@pytest.mark.parametrize(
    "text",
    [
        'x = os.environ.get("SECRET_KEY", "dev")',
        "x = os.environ.get('SECRET_KEY', default='dev')",
        'x = environ.get("SECRET_KEY", b"dev")',
        'x = os.getenv("SECRET_KEY", "dev")',
        'x = getenv("SECRET_KEY", "dev" "eloper")',
        'x = os.environ.get("SECRET_KEY") or "dev"',
        'x = os.getenv("SECRET_KEY") or os.getenv("OTHER") or "dev"',
        'x = os.environ["SECRET_KEY"] if "SECRET_KEY" in os.environ else "dev"',
        'os.environ.setdefault("SECRET_KEY", "dev")',
        'x = config("SECRET_KEY", default="dev")',
        'x = env("SECRET_KEY", "dev")',
        'x = env.str("SECRET_KEY", "dev")',
        'x = os.environ.get("SECRET_KEY", "dev").encode()',
        (
            "class C:\n    def f(self):\n        return"
            ' dict(SECRET_KEY=os.environ.get("SECRET_KEY", "dev"))'
        ),
    ],
)
def test_every_spelling_of_a_default_is_found(warned, text):
    (words,) = warned({"shop/settings.py": f"import os\n{text}\n"})
    assert "SECRET_KEY (shop/settings.py, line " in words


NAMES = """
SECRET_KEY JWT_SECRET_KEY CLIENT_SECRET SECRET KEY API_KEY APIKEY api_key API_KEY_2 TOKEN BOT_TOKEN
GITHUB_TOKEN DB_PASSWORD POSTGRES_PASSWORD PASSWORD SECURITY_PASSWORD_SALT adminPassword SECRETKEY
"""
HARMLESS = """
SECRET_KEY_FILE KEY_PATH TOKEN_URL TOKEN_EXPIRES CACHE_KEY_PREFIX PASSWORD_MIN_LENGTH
JWT_TOKEN_LOCATION API_KEY_HEADER MONKEY KEYCLOAK_URL TOKENIZER KEYWORD AWS_ACCESS_KEY_ID
RECAPTCHA_PUBLIC_KEY SECURITY_PASSWORD_HASH DEBUG DATABASE
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_names_of_secrets_are_recognised(warned, name):
    assert len(warned({"a.py": f'import os\nx = os.environ.get("{name}", "public")\n'})) == 1


@pytest.mark.parametrize("name", HARMLESS.split())
def test_names_about_secrets_are_not_secrets(warned, name):
    assert warned({"a.py": f'import os\nx = os.environ.get("{name}", "public")\n'}) == []


@pytest.mark.parametrize(
    "text",
    [
        'x = os.environ["SECRET_KEY"]',
        'x = os.environ.get("SECRET_KEY")',
        'x = os.environ.get("SECRET_KEY", "")',
        'x = os.environ.get("SECRET_KEY", None)',
        'x = os.environ.get("SECRET_KEY", os.urandom(24))',
        'x = os.environ.get("SECRET_KEY") or secrets.token_hex()',
        'x = os.environ.get("SECRET_KEY", "/etc/shop/key")',
        'x = os.environ.get("TOKEN", "https://example.org/x")',
        'x = os.environ.get("KEY", "false")',
        'x = os.environ.get("KEY", "8")',
        'x = settings.get("SECRET_KEY", "dev")',
        'x = os.environ.get(prefix + "SECRET_KEY", "dev")',
        '# os.environ.get("SECRET_KEY", "dev")',
    ],
)
def test_values_that_are_not_public_secrets_give_no_warning(warned, text):
    assert warned({"a.py": f"import os\n{text}\n"}) == []


DEFAULT = 'import os\nx = os.environ.get("SECRET_KEY", "dev")\n'


@pytest.mark.parametrize(
    "keys",
    [
        {"secrets": {"SECRET_KEY": "x"}},
        {"env": {"SECRET_KEY": "x"}},
        {"config_files": [{"path": "/app/config.cfg", "content": "SECRET_KEY = 'x'\n"}]},
    ],
    ids=str,
)
def test_a_secret_that_is_set_gives_no_warning(warned, keys):
    assert warned({"a.py": DEFAULT}, **keys) == []


def test_a_variable_of_an_env_file_gives_no_warning(warned, tmp_path):
    (tmp_path / "shop.env").write_text("SECRET_KEY=x\n")
    assert warned({"a.py": DEFAULT}, env_file=str(tmp_path / "shop.env")) == []


def test_a_secret_that_is_only_a_file_does_not_set_the_variable(warned):
    keys = {"secrets": {"SECRET_KEY": "x"}, "secrets_as": "file"}
    (words,) = warned({"a.py": DEFAULT}, **keys)
    assert (
        "Write secrets_as: environment, for the secret of that name is a file alone, which is not"
        " read there, or env: " in words
    )


def test_a_source_that_reads_the_secret_file_gives_no_warning(warned):
    text = DEFAULT + 'f = os.environ.get("SECRET_KEY_FILE")\n'
    assert warned({"a.py": text}, secrets={"SECRET_KEY": "x"}, secrets_as="file") == []


MAPPING = 'app.config.from_mapping(SECRET_KEY="dev", DATABASE="x")\n'


def test_a_default_of_the_configuration_that_a_file_replaces_names_the_file(warned):
    (words,) = warned(
        {"blog/__init__.py": f'{MAPPING}app.config.from_pyfile("config.py", silent=True)\n'},
        secrets={"SECRET_KEY": "x"},
    )
    assert words.startswith(
        "shop: the source has a public default for SECRET_KEY (blog/__init__.py, line 1), and the"
        " entry "
    )
    assert (
        "Write config_files: [{path: …, content: …}] with the file that it reads, and SECRET_KEY in"
        " it, or env: " in words
    )


def test_a_configuration_file_that_sets_the_secret_gives_no_warning(warned):
    config = [{"path": "/app/instance/config.py", "content": "SECRET_KEY = 'x'\n"}]
    assert (
        warned(
            {"a.py": f'{MAPPING}app.config.from_pyfile("config.py", silent=True)\n'},
            config_files=config,
        )
        == []
    )


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("()", "FLASK_SECRET_KEY"),
        ('("SHOP")', "SHOP_SECRET_KEY"),
        ('(prefix="SHOP")', "SHOP_SECRET_KEY"),
    ],
)
def test_a_variable_with_a_prefix_gives_no_warning(warned, call, name):
    module = {"a.py": f"{MAPPING}app.config.from_prefixed_env{call}\n"}
    assert warned(module, secrets={name: "x"}) == []
    (words,) = warned(module, secrets={"SECRET_KEY": "x"})
    assert f"Write secrets: {{{name}: …}}" in words


@pytest.mark.parametrize(
    "text",
    [MAPPING, f'{MAPPING}config.from_pyfile\n',
     'app.config.from_mapping(SECRET_KEY=key)\napp.config.from_pyfile("config.py")\n',
     'app.config.from_mapping(TESTING="x")\napp.config.from_pyfile("config.py")\n'],
)  # fmt: skip
def test_a_default_that_no_key_replaces_is_not_reported(warned, text):
    assert warned({"a.py": f"{text}# token\n"}) == []


def test_many_defaults_give_one_warning(warned):
    text = "import os\n" + "".join(
        f'x = os.environ.get("TOKEN_{letter}", "dev")\n' * 2 for letter in "ABCDEFG"
    )
    (words,) = warned({"a.py": text, "b.py": text})
    assert "TOKEN_A (a.py, line 2), TOKEN_B (a.py, line 4)" in words
    assert "TOKEN_E (a.py, line 10) and 2 more, and the entry" in words


@pytest.mark.parametrize(
    "file",
    ["tests/test_a.py", "test_a.py", "a/conftest.py", "docs/conf.py", "venv/a.py", ".venv/lib/a.py",
     "lib/site-packages/x/a.py", "vendor/a.py", "shop/_vendor/a.py", "node_modules/x/a.py",
     "examples/a.py", "a.txt",
     "setup.py", "third_party/a.py"],
)  # fmt: skip
def test_files_that_are_not_run_or_third_party_are_ignored(warned, file):
    assert warned({file: DEFAULT}) == []


def test_files_outside_the_image_are_ignored(warned):
    assert warned({"old/a.py": DEFAULT, ".dockerignore": "old\n"}) == []


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xfe\0",
        b"x = (\n" + DEFAULT.encode(),
        b"(" * 5000 + DEFAULT.encode(),
        DEFAULT.encode() + b"#" * 2**19,
    ],
    ids=["binary", "no Python", "deep", "large"],
)
def test_unreadable_files_are_ignored(warned, content):
    assert warned({"a.py": content}) == []
    assert len(warned({"b.py": DEFAULT})) == 1


def test_a_link_out_of_the_source_is_not_followed(tmp_path):
    (tmp_path / "other.py").write_text(DEFAULT)
    source = tmp_path / "shop"
    source.mkdir()
    (source / "a.py").symlink_to("b.py")
    (source / "b.py").symlink_to("a.py")
    assert list(own_code.modules(str(source))) == []


def test_the_amount_of_parsed_text_is_limited(warned, monkeypatch):
    parsed = []
    monkeypatch.setattr(public_defaults, "_of_environment", lambda tree: parsed.append(tree) or ())
    monkeypatch.setattr(own_code, "PARSED_BYTES", 10 * len(DEFAULT))
    warned({f"m{number}.py": DEFAULT for number in range(100)})
    assert len(parsed) == 10


def test_a_large_source_is_checked_quickly(warned):
    module = DEFAULT + "def f(x):\n    return [x, {'a': 1}]\n" * 100
    started = time.process_time()
    warned({f"m{number}.py": module for number in range(300)})
    with_warning, started = time.process_time() - started, time.process_time()
    warned(warn=False)
    assert with_warning - (time.process_time() - started) < 10


def test_many_defaults_are_checked_quickly(warned):
    module = "import os\n" + "".join(
        f'x = os.environ.get("A{number}_SECRET", "dev")\n' for number in range(8000)
    )
    started = time.process_time()
    assert "and 7995 more" in warned({"a.py": module})[0]
    assert time.process_time() - started < 10


def test_the_applications_of_this_repository_have_no_public_default(tmp_path, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        filters, "Display", lambda: type("", (), {"warning": staticmethod(warnings.append)})
    )
    scenario = ROOT / "molecule/apps"
    text = (scenario / "vars/apps.yml").read_text().replace("{{ project }}", str(ROOT))
    entries = [entry for entry in yaml.safe_load(text)["flask_apps"] if "source" in entry]
    assert len(entries) > 30
    keys = ("name", "source", "path", "secrets", "secrets_as", "env", "config_files", "dockerfile")
    for entry in entries:
        kept = {key: entry[key] for key in keys if key in entry}
        found = filters.normalize_apps([kept], warn=True, source_root=str(scenario / "apps"))
        # Other checks report missing keys; this one only reads the source.
        warnings += filter(None, [typed(public_defaults.warning)(app) for app in found["apps"]])
    assert warnings == []


LOOP = """
import os
app.config.update(DEBUG=False, SECRET_KEY="change me")
app.config.from_envvar("NOTES_SETTINGS", silent=True)
for key in app.config:
    if key in os.environ:
        app.config[key] = os.environ[key]
"""
FILE = f'{MAPPING}app.config.from_pyfile("config.py", silent=True)\n'


@pytest.mark.parametrize(
    ("files", "secrets"),
    [
        ({"a.py": LOOP}, "SECRET_KEY"),
        ({"a.py": f"{MAPPING}app.config.update(os.environ)\n"}, "SECRET_KEY"),
        ({"a.py": f"{MAPPING}app.config.from_mapping(**os.environ)\n"}, "SECRET_KEY"),
        ({"a.py": FILE + "app.config.from_mapping(os.environ)\n"}, "SECRET_KEY"),
        (
            {"a.py": FILE, "b.py": 'class C:\n    SECRET_KEY = os.environ["SECRET_KEY"]\n'},
            "SECRET_KEY",
        ),
        ({"a.py": FILE, "b.py": 'x = os.environ.pop("SECRET_KEY", None)\n'}, "SECRET_KEY"),
        (
            {
                "a.py": FILE,
                "b.py": "def of(name, default=None):\n    return os.environ.get(name, default)\n",
            },
            "SECRET_KEY",
        ),
        (
            {
                "a.py": FILE,
                "b.py": "for name, value in os.environ.items():\n    put(name, value)\n",
            },
            "SECRET_KEY",
        ),
        (
            {"a.py": FILE, "b.py": "class Settings(BaseSettings):\n    secret_key: str\n"},
            "SECRET_KEY",
        ),
        (
            {"a.py": FILE, "b.py": "def read():\n    app.config.from_prefixed_env()\n"},
            "FLASK_SECRET_KEY",
        ),
        (
            {"a.py": FILE, "b.py": "FlaskDynaconf(app)\nfrom dynaconf import FlaskDynaconf\n"},
            "FLASK_SECRET_KEY",
        ),
        (
            {"a.py": 'with env.prefixed("SHOP_"):\n    key = env("SECRET_KEY", "dev")\n'},
            "SHOP_SECRET_KEY",
        ),
        (
            {
                "a.py": (
                    'def getenv(name, default):\n    return os.environ.get("SHOP_" + name,'
                    ' default)\nx = getenv("SECRET_KEY", "dev")\n'
                )
            },
            "SHOP_SECRET_KEY",
        ),
        (
            {
                "a.py": (
                    'config = Config(env_prefix="SHOP_")\nx = config("SECRET_KEY", default="dev")\n'
                )
            },
            "SHOP_SECRET_KEY",
        ),
    ],
)
def test_a_source_that_reads_variables_by_any_name_gets_the_given_ones(warned, files, secrets):
    assert len(warned(files)) == 1
    assert len(warned(files, secrets={secrets: "x"})) == 1  # and no second one


@pytest.mark.parametrize(
    ("files", "secrets"),
    [
        ({"a.py": FILE}, "SECRET_KEY"),
        ({"a.py": DEFAULT}, "SHOP_SECRET_KEY"),
        ({"a.py": FILE + 'x = os.environ["SECRET_KEY_OLD"]\n'}, "SECRET_KEY"),
        (
            {
                "a.py": FILE,
                "b.py": (
                    "run(env=os.environ)\nrun(env=dict(os.environ))\nrun(env=os.environ.copy())\n"
                ),
            },
            "SECRET_KEY",
        ),
        (
            {
                "a.py": FILE,
                "b.py": 'if "SECRET" in os.environ:\n    x = os.environ.get("SECRET")\n',
            },
            "SECRET_KEY",
        ),
        ({"a.py": LOOP}, "SECRET"),
    ],
)
def test_a_source_that_reads_only_some_variables_is_still_reported(warned, files, secrets):
    assert len(warned(files, secrets={secrets: "x"})) == 1


def test_if_variables_override_the_configuration_the_key_is_a_variable(warned):
    (words,) = warned({"a.py": LOOP})
    assert "Write secrets: {SECRET_KEY: …}" in words
