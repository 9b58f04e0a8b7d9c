# Copyright: (c) 2026, flaskops contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which files of a source belong to the application."""

import pytest
from ansible_collections.flaskops.host.plugins.module_utils.apps.sources import find, own_code


@pytest.mark.parametrize(
    ("directory", "searched", "run", "own"),
    [
        ("shop", True, True, True),
        ("migrations", False, True, False),
        ("vendor", True, True, False),
        ("third_party", True, True, False),
        ("examples", True, False, False),
        ("testing", True, False, False),
        ("tests", False, False, False),
        ("docs", False, False, False),
        ("venv", False, False, False),
        (".venv", False, False, False),
        ("node_modules", False, False, False),
        ("bower_components", False, False, False),
        ("Build", False, False, False),
    ],
)
def test_one_list_of_directories_decides_what_belongs_to_the_application(
    tmp_path, directory, searched, run, own
):
    """The list decides where an application is searched, which files run, and which are first-party
    code.
    """
    file = tmp_path / directory / "a.py"
    file.parent.mkdir()
    file.write_text("import flask\n")
    name = f"{directory}/a.py"
    assert list(find._python_files(tmp_path)) == ([file] if searched else [])
    assert list(own_code.contents(str(tmp_path), [name], own_code.NOT_RUN)) == (
        [(name, b"import flask\n")] if run else []
    )
    assert list(own_code.contents(str(tmp_path), [name])) == (
        [(name, b"import flask\n")] if own else []
    )
