# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A module that no Python can load is reported before any connection to a host; newer syntax is
left to the container.
"""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import find, syntax
from entries import normalize_apps

APP = b"from flask import Flask\napp = Flask(__name__)\n"
BROKEN = b"from flask import Flask\n\napp = Flask(__name__\n"
NEVER = "a syntax error in line 3: '(' was never closed. Correct it."


@pytest.fixture
def problems(tmp_path):
    def run(files, **keys):
        for name, content in {"requirements.txt": b"flask\n", **files}.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(content)
        return normalize_apps([{"name": "shop", "source": str(tmp_path), "path": "/shop", **keys}])[
            1
        ]

    return run


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (BROKEN, NEVER),
        (
            APP + b"if app:\n\tx = 1\n        y = 2\n",
            "wrong indentation in line 5: inconsistent use of tabs and spaces in indentation.",
        ),
        (
            APP + b"def f():\n    x = 1\n  y = 2\n",
            "wrong indentation in line 5: unindent does not match any outer indentation level.",
        ),
        (APP + b"print 'x'\n", "a syntax error in line 3: Missing parentheses in call to 'print'."),
        (
            APP + b"x = \xe2\x80\x9chello\xe2\x80\x9d\n",
            "a syntax error in line 3: invalid character",
        ),
    ],
)
@pytest.mark.parametrize(
    "keys", [{}, {"module": "app"}, {"callable": "app"}, {"engine": "gunicorn"}]
)
def test_an_error_is_reported_with_its_line(problems, content, words, keys):
    (problem,) = problems({"app.py": content}, **keys)
    assert f"flask_apps: shop: app.py has {words}" in problem
    assert "Correct it." in problem
    assert "module and callable" not in problem


@pytest.mark.parametrize("content", [APP + b"name = 'caf\xe9'\n", APP.decode().encode("utf-16")])
def test_text_that_is_not_utf_8_is_reported(problems, content):
    line = 1 if content.startswith(b"\xff") else 3
    (problem,) = problems({"app.py": content})
    assert (
        f"app.py is not UTF-8 in line {line}. Save it as UTF-8, or write its encoding in the first"
        " line" in problem
    )


def test_a_written_module_and_callable_are_not_checked(problems):
    assert problems({"app.py": BROKEN}, module="app", callable="app") == []


def test_a_file_with_a_declared_encoding_is_read(problems):
    assert problems({"app.py": b"# -*- coding: latin-1 -*-\n" + APP + b"name = 'caf\xe9'\n"}) == []


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({"wsgi.py": b"from app import app\n", "app.py": BROKEN}, "app.py"),
        ({"app.py": b"import views\n" + APP, "views.py": BROKEN}, "views.py"),
        (
            {
                "wsgi.py": b"from s import app\n",
                "s/__init__.py": b"from . import views\n" + APP,
                "s/views.py": BROKEN,
            },
            "s/views.py",
        ),
        (
            {"src/shop/__init__.py": b"from shop.web import x\n" + APP, "src/shop/web.py": BROKEN},
            "src/shop/web.py",
        ),
    ],
)
def test_imported_modules_are_checked_too(problems, files, name):
    (problem,) = problems(files, **({} if "src" not in name else {"module": "shop"}))
    assert f"{name} has {NEVER}" in problem


def test_modules_that_may_never_be_loaded_are_not_checked(problems):
    app = (
        b"import sys\nif sys.version_info < (3,):\n    import old\ntry:\n    import other\nexcept"
        b" ImportError:\n    pass\n" + APP
    )
    assert (
        problems(
            {
                "app.py": app,
                "old.py": BROKEN,
                "other.py": BROKEN,
                "tools/x.py": BROKEN,
                "unused.py": BROKEN,
            }
        )
        == []
    )


def test_the_container_reports_the_same_error(tmp_path):
    (tmp_path / "app.py").write_bytes(BROKEN)
    with pytest.raises(
        find.Unreadable,
        match=r"^app\.py has a syntax error in line 3: '\(' was never closed\. Correct it\.$",
    ):
        find.find(tmp_path)


NEWER = [
    (b"""x = f'{a['b']}'""", (3, 12)),
    (b"""x = f"{", ".join(a)}\"""", (3, 12)),
    (b"x = f'{\n1}'", (3, 12)),
    (b"x = f'{a + \"\\n\"}'", (3, 12)),
    (b"type X = int", (3, 12)),
    (b"type X[T] = list[T]", (3, 12)),
    (b"def f[T](x: T): ...", (3, 12)),
    (b"class A[T]: ...", (3, 12)),
    (b"try:\n    pass\nexcept A, B:\n    pass", (3, 14)),
    (b"x = t'{a}'", (3, 14)),
    (b"lazy import os", (3, 15)),
    (b"x = [*y for y in z]", (3, 15)),
]


@pytest.mark.parametrize(("line", "version"), NEWER)
def test_the_syntax_of_a_newer_python_is_left_to_the_container(tmp_path, line, version):
    file = tmp_path / "app.py"
    file.write_bytes(b"a = {}\n" + line + b"\n")
    assert syntax.problem(tmp_path, ["app.py"], "") == ""
    older = ".".join(map(str, syntax.sys.version_info[:2]))
    problem = syntax.problem(tmp_path, ["app.py"], older)
    assert bool(problem) == (
        version > syntax.sys.version_info[:2]
    )  # the Python of the application cannot load it either


def test_an_odd_source_does_not_slow_the_check_down(tmp_path):
    for number, text in enumerate(
        ["f'" + "{" * 900_000, "(* " * 300_000, "\n" * 900_000 + "(", "except " * 100_000]
    ):
        (tmp_path / f"m{number}.py").write_text(text)
    (tmp_path / "app.py").write_text("import m0\n" * 50 + "import app, m1, m2, m3\n")
    assert "syntax error" in syntax.problem(tmp_path, ["app.py"], "")
