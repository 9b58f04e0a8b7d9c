# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Old applications with unpinned requirements, and old requirements with a new Python: the line to
write.
"""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.images import outdated
from ansible_collections.flaskops.host.plugins.module_utils.releases.advice import advice


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (
            "ImportError: cannot import name 'url_quote' from 'werkzeug.urls' (/opt/app/lib/x.py)",
            "Werkzeug<3",
        ),
        (
            "ImportError: cannot import name 'safe_str_cmp' from 'werkzeug.security' (/x)",
            "Werkzeug<2.1",
        ),
        ("ImportError: cannot import name 'secure_filename' from 'werkzeug' (/x)", "Werkzeug<1"),
        ("AttributeError: module 'werkzeug' has no attribute '__version__'", "Werkzeug<3"),
        ("ImportError: cannot import name 'Markup' from 'jinja2' (/x)", "Jinja2<3.1"),
        ("ImportError: cannot import name 'soft_unicode' from 'markupsafe' (/x)", "MarkupSafe<2.1"),
        (
            (
                "ImportError: cannot import name 'TimedJSONWebSignatureSerializer' from"
                " 'itsdangerous' (/x)"
            ),
            "itsdangerous<2.1",
        ),
        ("ImportError: cannot import name '_request_ctx_stack' from 'flask' (/x)", "Flask<2.3"),
        (
            (
                "AttributeError: 'Flask' object has no attribute 'before_first_request'. Did you"
                " mean: 'x'?"
            ),
            "Flask<2.3",
        ),
        ("ImportError: cannot import name 'Markup' from 'flask' (/x)", "Flask<3"),
        ("ImportError: cannot import name 'JSONEncoder' from 'flask.json' (/x)", "Flask<2.3"),
        ("ModuleNotFoundError: No module named 'flask._compat'", "Flask<2"),
        ("ModuleNotFoundError: No module named 'wtforms.fields.html5'", "WTForms<3"),
        ("ImportError: cannot import name 'TextField' from 'wtforms' (/x)", "WTForms<3"),
        ("AttributeError: 'Engine' object has no attribute 'execute'", "SQLAlchemy<2"),
        (
            (
                "AssertionError: Class <class 'sqlalchemy.sql.elements.SQLCoreOperations'> directly"
                " inherits TypingOnly but has"
            ),
            'SQLAlchemy>=2.0.31 in the requirements, or python: "3.12"',
        ),
        ("Exception: Install 'email_validator' for email validation support.", "email-validator"),
    ],
)
def test_the_last_version_with_the_missing_name_is_named_once(line, version):
    (message,) = advice(f"Traceback\n{line}\n{line}", {})
    assert version in message and "requirements" in message


@pytest.mark.parametrize(
    "line",
    [
        "ImportError: cannot import name 'Shop' from 'shop.models' (/app/shop/models.py)",
        "ImportError: cannot import name 'x' from 'flask_login' (/x)",
        "AttributeError: 'NoneType' object has no attribute 'execute'",
        "AttributeError: module 'shop' has no attribute '__version__'",
        "shop: Install email",
    ],
)
def test_names_of_other_packages_are_not_reported(line):
    assert outdated.of_start(line) == []


@pytest.mark.parametrize(
    "line",
    [
        (
            "src/greenlet/greenlet.c:566:5: error: 'PyThreadState' {aka 'struct _ts'} has no member"
            " named 'use_tracing'"
        ),
        "src/lxml/etree.c:1: error: too few arguments to function '_PyLong_AsByteArray'",
        "ImportError: cannot import name 'Feature' from 'setuptools' (/x)",
        (
            "AttributeError: module 'pkgutil' has no attribute 'ImpImporter'. Did you mean:"
            " 'zipimporter'?"
        ),
        "c.c:2:10: fatal error: longintrepr.h: No such file or directory",
    ],
)
def test_a_requirement_that_does_not_build_with_this_python_is_named(line):
    message = outdated.of_build(
        f"#9 1.1 {line}\n#9 1.2   ERROR: Failed building wheel for greenlet\n"
    )
    assert "greenlet is older than this Python" in message and 'python: "3.9"' in message
    assert outdated.of_build(f"#9 1.1 {line}\n") == ""
    assert (
        outdated.of_build(
            "#9 1.1 Error: pg_config executable not found.\n#9 ERROR: Failed building wheel for"
            " psycopg2\n"
        )
        == ""
    )
